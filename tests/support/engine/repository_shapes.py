"""What a repository is made of, and how an engine is asked to build it."""

import io
import os
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.servers.sandbox_server import git

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"ab" * 32 + b"\nsize 123456\n"
ALL = "FROM scratch\nCOPY . /app\n"


@dataclass(frozen=True)
class Repository:
    """Files by path (a name that is no UTF-8 bears surrogates), links by what they say, and the order to build it."""

    files: Mapping[str, str | bytes]
    links: Mapping[str, str] = field(default_factory=dict)
    executables: tuple[str, ...] = ()
    submodules: tuple[str, ...] = ()
    dockerfile: str = "Dockerfile"
    context: str | None = None
    target: str | None = None
    says: str = ""  # what the one notice of the source names

    def clone(self, into: Path) -> None:
        """Write what a clone holds, but for git's own folder."""
        into.mkdir(parents=True)
        for path, content in self.files.items():
            place = into / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content if isinstance(content, bytes) else content.encode())
            place.chmod(0o755 if path in self.executables else 0o644)
        for path, said in self.links.items():
            (into / path).parent.mkdir(parents=True, exist_ok=True)
            os.symlink(said, into / path)  # noqa: PTH211 - pathlib would tidy it up
        for path in self.submodules:
            (into / path).mkdir(parents=True)

    def archive(self, clone: Path, into: Path) -> None:
        """Pack the clone as GitHub does; `into` is the file, and what git keeps lies beside it."""
        where = (f"--git-dir={into}.git", f"--work-tree={clone}")
        git(clone, *where, "init", "--quiet")
        git(clone, *where, "add", "--all", "--force")
        for path in self.submodules:
            git(clone, *where, "update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},{path}")
        git(clone, *where, "commit", "--quiet", "--message", "all of it")
        git(clone, *where, "archive", "--format=tar.gz", "--prefix=repository-0123abc/", f"--output={into}", "HEAD")


def named(*paths: str) -> dict[str, str | bytes]:
    """Files that hold their own names."""
    return {path: path.encode("utf-8", "surrogateescape") for path in paths}


def tarball() -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        header = tarfile.TarInfo("inside/file")
        header.size, header.mode = 5, 0o640
        tar.addfile(header, io.BytesIO(b"hello"))
    return packed.getvalue()
