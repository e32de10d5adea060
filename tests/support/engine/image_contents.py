"""What an image holds, file by file, and what the reference's command line makes of a folder."""

import hashlib
import os
import stat
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import docker

# Debian's, which speaks BuildKit by itself; what comes first on the PATH may be another one that does not
REFERENCE = "/usr/bin/docker"
_PATIENCE_SECONDS = 120
# what an engine puts into a container, which no image holds
_OF_THE_CONTAINER = {".dockerenv", "etc/hostname", "etc/hosts", "etc/mtab", "etc/resolv.conf"}
_FOLDERS_OF_THE_CONTAINER = ("dev", "proc", "sys")


@dataclass(frozen=True)
class Content:
    """`kind` is tar's; a hard link counts as the file it names, as nothing in an image tells the two apart."""

    kind: bytes
    mode: int
    owner: tuple[int, int]
    link: str
    sha256: str


def contents(engine_url: str, image: str) -> dict[str, Content]:
    """Return what a container of the image would begin with, by path."""
    with _client(engine_url) as client, tempfile.TemporaryFile() as exported:
        container = client.create_container(image, command=["never-run"])
        try:
            for piece in client.export(container["Id"]):
                exported.write(piece)
        finally:
            client.remove_container(container["Id"], force=True)
        exported.seek(0)
        with tarfile.open(fileobj=exported, encoding="utf-8", errors="surrogateescape") as tar:
            return {member.name: _content(tar, member) for member in tar if _is_of_the_image(member.name)}


def build_by_reference(folder: Path, arguments: list[str], tag: str, label: str) -> None:
    """Build with the reference's command line on the machine's engine, from scratch."""
    command = [REFERENCE, "build", "--no-cache", "--quiet", "--tag", tag, "--label", label, *arguments]
    environment = os.environ | {"DOCKER_BUILDKIT": "1"}
    environment.pop("DOCKER_HOST", None)
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=_PATIENCE_SECONDS, check=False
    )
    assert done.returncode == 0, done.stderr


def remove_image(engine_url: str, image: str) -> None:
    with _client(engine_url) as client:
        client.remove_image(image, force=True)


@contextmanager
def _client(url: str) -> Iterator[docker.APIClient]:
    client = docker.APIClient(url, version="auto", timeout=_PATIENCE_SECONDS)
    try:
        yield client
    finally:
        client.close()


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> Content:
    file = tar.extractfile(member) if member.isfile() or member.islnk() else None
    sha256 = hashlib.sha256(file.read()).hexdigest() if file is not None else ""
    kind = tarfile.REGTYPE if file is not None else member.type
    mode = 0 if member.issym() else stat.S_IMODE(member.mode)  # a link's own mode means nothing
    return Content(kind, mode, (member.uid, member.gid), member.linkname if member.issym() else "", sha256)


def _is_of_the_image(name: str) -> bool:
    return name not in _OF_THE_CONTAINER and name.split("/", maxsplit=1)[0] not in _FOLDERS_OF_THE_CONTAINER
