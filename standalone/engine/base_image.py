"""busybox:1.36, which the sample product is built upon: pulled where a registry answers, else made from Debian's."""

import io
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

import docker
import requests
from docker.errors import APIError, DockerException, ImageNotFound

from standalone.engine import debian_packages
from standalone.errors import CannotStart

REPOSITORY, TAG = "busybox", "1.36"
LABEL = "slipway.base=busybox-static"
_SILENCE = 15  # seconds without a byte after which a registry counts as out of reach
_CHANGES = ["ENV PATH=/bin:/usr/bin", 'CMD ["sh"]', f"LABEL {LABEL}"]
_PACKAGE = "busybox-static"
_FILES = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
    "etc/group": "root:x:0:\nnogroup:x:65534:\n",
}
_FOLDERS = {"bin": 0o755, "etc": 0o755, "root": 0o700, "tmp": 0o1777, "var": 0o755}


def ensure_base_image(
    engine_url: str,
    environment: Mapping[str, str],
    say: Callable[[str], None],
    repository: str = REPOSITORY,
    tag: str = TAG,
) -> None:
    """Make sure that the engine holds the image; one that is there stays as it is. Raises CannotStart."""
    name = f"{repository}:{tag}"
    try:
        with closing(docker.DockerClient(base_url=engine_url, timeout=_SILENCE)) as engine:
            if _holds(engine, name) or _pulled(engine, repository, tag):
                return
            say(f"no registry gives {name}; making it from {_PACKAGE}")
            root = busybox_root(environment)
            engine.api.import_image_from_data(root, repository=repository, tag=tag, changes=_CHANGES)
            if not _holds(engine, name):
                raise CannotStart(f"the Docker engine did not take the image {name} that was made for it")
    except (DockerException, requests.RequestException) as error:
        raise CannotStart(f"the Docker engine at {engine_url} refuses the image {name}: {error}") from error


def busybox_root(environment: Mapping[str, str]) -> bytes:
    """Return a root file system as a tar: a static busybox, a link to it for each of its commands, little else."""
    with tempfile.TemporaryDirectory() as folder:
        program = _static_busybox(Path(folder), environment)
        listed = subprocess.run((program, "--list"), capture_output=True, text=True, check=True, timeout=10)
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as tar:
            for name, mode in _FOLDERS.items():
                tar.addfile(_entry(name, tarfile.DIRTYPE, mode))
            for name, text in _FILES.items():
                _add_file(tar, name, text.encode(), 0o644)
            _add_file(tar, "bin/busybox", program.read_bytes(), 0o755)
            for command in sorted(set(listed.stdout.split()) - {"busybox"}):  # a link to itself would break them all
                link = _entry(f"bin/{command}", tarfile.SYMTYPE, 0o777)
                link.linkname = "busybox"
                tar.addfile(link)
    return packed.getvalue()


def _holds(engine: docker.DockerClient, name: str) -> bool:
    try:
        engine.images.get(name)
    except ImageNotFound:
        return False
    return True


def _pulled(engine: docker.DockerClient, repository: str, tag: str) -> bool:
    try:
        for _ in engine.api.pull(repository, tag=tag, stream=True, decode=True):
            pass  # errors in mid-stream show in what the engine holds afterwards
    except (APIError, requests.RequestException):  # no network, no such image, a registry that is silent
        return False
    return _holds(engine, f"{repository}:{tag}")


def _static_busybox(folder: Path, environment: Mapping[str, str]) -> Path:
    """Return a busybox that needs no libraries: this machine's, else out of Debian's package, without installing it."""
    found = shutil.which("busybox")
    if found and _is_static(Path(found)):
        return Path(found)
    if shutil.which("apt-get") and shutil.which("dpkg-deb"):
        words = ("download", "-qq", _PACKAGE)
        done, output = debian_packages.apt_get(words, environment, folder)
        if not done and debian_packages.can_install():
            debian_packages.apt_get(("update", "-qq"), environment)
            done, output = debian_packages.apt_get(words, environment, folder)
        if done:
            return _unpacked(next(folder.glob("*.deb")), folder)
    else:
        output = "this system has neither a static busybox nor apt-get"
    raise CannotStart(
        f"no registry gives {REPOSITORY}:{TAG}, and it cannot be made here: {output}\n"
        f"Run `docker pull {REPOSITORY}:{TAG}` where there is a network, or install {_PACKAGE}."
    )


def _is_static(program: Path) -> bool:
    return b"/ld-" not in program.read_bytes()[:4096]  # a dynamic program names its loader right after its headers


def _unpacked(package: Path, folder: Path) -> Path:
    files = subprocess.run(("dpkg-deb", "--fsys-tarfile", package), capture_output=True, check=True, timeout=60)
    with tarfile.open(fileobj=io.BytesIO(files.stdout)) as tar:
        member = next(member for member in tar if member.isfile() and Path(member.name).name == "busybox")
        content = tar.extractfile(member)
        program = folder / "busybox"
        program.write_bytes(content.read() if content else b"")
    program.chmod(0o755)
    return program


def _entry(name: str, kind: bytes, mode: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode = kind, mode
    return entry


def _add_file(tar: tarfile.TarFile, name: str, content: bytes, mode: int) -> None:
    entry = _entry(name, tarfile.REGTYPE, mode)
    entry.size = len(content)
    tar.addfile(entry, io.BytesIO(content))
