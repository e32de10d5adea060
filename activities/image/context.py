"""A build's context, from a source tree to the tar that the engine reads.

The engine applies no `.dockerignore` to a tar that it is sent, so it is applied here.
"""

import errno
import os
import stat
import tarfile
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from activities.image.ignore_patterns import MOST_BYTES, IgnoreRules
from models.rules.errors.source import DockerfileInvalid, IgnoreFileInvalid

IGNORE_FILE = ".dockerignore"

_CHUNK = 256 * 1024
_LONGEST_PATH = 1024  # bytes
_LONGEST_PART = 255
_QUOTED = 120
_MOST_SUGGESTIONS = 5
_MOST_LOOKED_AT = 20_000  # files, for suggestions

Write = Callable[[bytes], object]


@dataclass(frozen=True)
class ContextSummary:
    """What was sent: `files` counts files and links, `size_bytes` their contents; and what was not.

    `ignored` counts a folder that is left out with all it holds as one.
    """

    files: int
    size_bytes: int
    ignored: int


def locate_dockerfile(tree: Path, dockerfile_path: str) -> tuple[Path, str]:
    """Return the context's folder, which is the Dockerfile's own, and the Dockerfile's name there. Blocks.

    Raises DockerfileInvalid when it is missing, is no plain file, or it or its folder leads out of the tree. A link
    to a file inside the context is taken for that file.
    """
    asked = _checked_path(dockerfile_path)
    root = tree.resolve(strict=True)
    context = _resolved(root / asked.parent)
    if context is None or not context.is_dir():
        raise DockerfileInvalid(f"There is no {_quoted(asked)} in the source.{_suggestions(root)}")
    if not context.is_relative_to(root):
        raise DockerfileInvalid(f"The folder of {_quoted(asked)} is a link that leads out of the source.")
    dockerfile = context / asked.name
    if not dockerfile.is_symlink() and not dockerfile.exists():
        raise DockerfileInvalid(f"There is no {_quoted(asked)} in the source.{_suggestions(root)}")
    target = _resolved(dockerfile)
    if target is None:
        raise DockerfileInvalid(f"{_quoted(asked)} is a link to a file that does not exist.")
    if not target.is_relative_to(context):
        raise DockerfileInvalid(f"{_quoted(asked)} is a link that leads out of the build's context, its own folder.")
    if not target.is_file():
        kind = "a folder" if target.is_dir() else "no regular file"
        raise DockerfileInvalid(f"{_quoted(asked)} is {kind}; name a Dockerfile.{_suggestions(root)}")
    return context, asked.name


def write_context(context: Path, dockerfile: str, write: Write) -> ContextSummary:
    """Hand the context to `write` as an uncompressed tar, piece by piece. Blocks; what `write` raises ends the work.

    `<dockerfile>.dockerignore`, or else `.dockerignore`, says what stays out; the Dockerfile is always in, since the
    engine looks for it there. Equal trees give equal bytes: sorted by name, all owned by root. Times are kept: files
    in the image bear them, and they are the commit's, while BuildKit's cache does not look at them.
    `context` and `dockerfile` are as locate_dockerfile returned them. Raises IgnoreFileInvalid.
    """
    rules = _ignore_rules(context, dockerfile)
    archive = _ContextTar(context, write)
    kept = {dockerfile, (context / dockerfile).resolve().relative_to(context.resolve()).as_posix()}
    ignored = 0
    for path in _walk(context, rules, kept):
        if path is None:
            ignored += 1
        else:
            archive.add(path)
    archive.close()
    return ContextSummary(archive.files, archive.size_bytes, ignored)


def _checked_path(dockerfile_path: str) -> PurePosixPath:
    path = PurePosixPath(dockerfile_path)
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in dockerfile_path):
        raise DockerfileInvalid("The path of the Dockerfile holds control characters.")
    if len(path.as_posix().encode()) > _LONGEST_PATH or any(len(part.encode()) > _LONGEST_PART for part in path.parts):
        raise DockerfileInvalid("The path of the Dockerfile is longer than any file's can be.")
    if path.is_absolute() or ".." in path.parts or not path.name:
        raise DockerfileInvalid(
            f"{_quoted(path)} does not name a file in the source; write its path from the top of the repository."
        )
    return path


def _resolved(path: Path) -> Path | None:
    """Follow every link; None when it leads to nothing, also in a circle or through a file."""
    try:
        return path.resolve(strict=True)
    except RuntimeError:  # pathlib's word for a circle up to Python 3.12
        return None
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG):
            raise
        return None


def _suggestions(root: Path) -> str:
    found: list[str] = []
    looked_at = 0
    for folder, folders, names in os.walk(root):
        folders.sort()
        looked_at += len(names) + len(folders)
        found += [
            _quoted(PurePosixPath((Path(folder) / name).relative_to(root)))
            for name in sorted(names)
            if "dockerfile" in name.lower() and not name.endswith(IGNORE_FILE)
        ]
        if len(found) >= _MOST_SUGGESTIONS or looked_at > _MOST_LOOKED_AT:
            break
    if not found:
        return "" if looked_at > _MOST_LOOKED_AT else " It holds no Dockerfile at all."
    return f" There is: {', '.join(found[:_MOST_SUGGESTIONS])}."


def _ignore_rules(context: Path, dockerfile: str) -> IgnoreRules:
    for name in (f"{dockerfile}{IGNORE_FILE}", IGNORE_FILE):
        path = _resolved(context / name)
        if path is None:
            continue
        if not path.is_relative_to(context.resolve()) or not path.is_file():
            raise IgnoreFileInvalid(f"{name} is no regular file of the build's context.")
        with path.open("rb") as file:
            return IgnoreRules.parse(file.read(MOST_BYTES + 1), name)
    return IgnoreRules(())


def _walk(
    context: Path, rules: IgnoreRules, kept: set[str], folder: str = "", above: Sequence[bool] | None = None
) -> Iterator[str | None]:
    """Yield what belongs to the context, a folder before what it holds, and None for each thing left out."""
    above = rules.nothing_matched if above is None else above
    with os.scandir(context / folder) as listing:
        entries = sorted(listing, key=lambda entry: os.fsencode(entry.name))
    for entry in entries:
        path = f"{folder}/{entry.name}" if folder else entry.name
        matched = rules.match(path, above)
        is_folder = entry.is_dir(follow_symlinks=False)
        is_ignored = rules.ignores(matched) and path not in kept
        is_sendable = is_folder or entry.is_symlink() or entry.is_file(follow_symlinks=False)  # reading a pipe hangs
        yield None if is_ignored or not is_sendable else path
        if is_folder and (not is_ignored or rules.may_bring_back_below(path) or _is_above(path, kept)):
            yield from _walk(context, rules, kept, path, matched)


def _is_above(folder: str, paths: set[str]) -> bool:
    return any(path.startswith(f"{folder}/") for path in paths)


class _ContextTar:
    """Writes a tar in large pieces and keeps none of it. The library's writer remembers every entry."""

    def __init__(self, context: Path, write: Write) -> None:
        self.files = 0
        self.size_bytes = 0
        self._context = context
        self._write = write
        self._folders = {""}
        self._buffer = bytearray()

    def add(self, path: str) -> None:
        """Add one thing, after those folders above it that were left out: COPY then gives them their own mode."""
        parent = path.rpartition("/")[0]
        if parent not in self._folders:
            self.add(parent)
        place = self._context / path
        status = place.lstat()
        header = tarfile.TarInfo(path)
        header.mode, header.mtime = stat.S_IMODE(status.st_mode), int(status.st_mtime)
        if stat.S_ISDIR(status.st_mode):
            self._folders.add(path)
            header.type = tarfile.DIRTYPE
            self._put(_header_bytes(header))
            return
        self.files += 1
        if stat.S_ISLNK(status.st_mode):
            header.type, header.linkname = tarfile.SYMTYPE, str(place.readlink())
            self._put(_header_bytes(header))
        else:
            header.size = status.st_size
            self._put(_header_bytes(header))
            self._put_file(place, header.size)

    def close(self) -> None:
        self._put(bytes(2 * tarfile.BLOCKSIZE))
        self._flush()

    def _put_file(self, place: Path, size: int) -> None:
        left = size
        with place.open("rb") as file:
            while left:
                piece = file.read(min(left, _CHUNK))
                if not piece:
                    raise OSError(f"{place} became shorter while it was read")
                left -= len(piece)
                self._put(piece)
        self._put(bytes(-size % tarfile.BLOCKSIZE))
        self.size_bytes += size

    def _put(self, piece: bytes) -> None:
        self._buffer += piece
        if len(self._buffer) >= _CHUNK:
            self._flush()

    def _flush(self) -> None:
        self._write(bytes(self._buffer))
        self._buffer.clear()


def _header_bytes(header: tarfile.TarInfo) -> bytes:
    return header.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


def _quoted(path: PurePosixPath) -> str:
    quoted = repr(str(path))
    return quoted if len(quoted) <= _QUOTED else f"{quoted[:_QUOTED]}…'"
