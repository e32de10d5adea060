"""A build's context as the tar that the engine reads.

The engine applies no `.dockerignore` to a tar that it is sent, so it is applied here.
"""

import os
import stat
import tarfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from activities.context.ignore_patterns import MOST_BYTES, IgnoreRules
from activities.context.places import BuildContext
from activities.source.links import link_text

_CHUNK = 256 * 1024
_OUTSIDE_NAME = ".slipway.Dockerfile"

Write = Callable[[bytes], object]


@dataclass(frozen=True)
class ContextSummary:
    """What was sent: `files` counts files and links, `size_bytes` their contents; and what was not.

    `ignored` counts a folder that is left out with all it holds as one. `is_dockerfile_extra`: the Dockerfile does not
    belong to the context, and was sent for the engine to find it.
    """

    files: int
    size_bytes: int
    ignored: int
    is_dockerfile_extra: bool


def name_in_tar(context: BuildContext) -> str:
    """Return where in the tar the engine finds the Dockerfile: at its own place, or at a free name when it has none."""
    if context.dockerfile.is_relative_to(context.folder):
        return context.dockerfile.relative_to(context.folder).as_posix()
    name = _OUTSIDE_NAME
    while os.path.lexists(context.folder / name):
        name += "_"
    return name


def write_context(context: BuildContext, write: Write) -> ContextSummary:
    """Hand the context to `write` as an uncompressed tar, piece by piece. Blocks; what `write` raises ends the work.

    The ignore file says what stays out; the Dockerfile is always in, since the engine looks for it there. Equal trees
    give equal bytes: sorted by name, all owned by root. Times are kept: files in the image bear them, and they are the
    commit's, while BuildKit's cache does not look at them. Raises IgnoreFileInvalid.
    """
    rules = ignore_rules(context)
    archive = _ContextTar(context.folder, write)
    dockerfile = name_in_tar(context)
    ignored = 0
    for path in _walk(context.folder, rules, {dockerfile}):
        if path is None:
            ignored += 1
        else:
            archive.add(path)
    is_outside = not context.dockerfile.is_relative_to(context.folder)
    if is_outside:
        archive.add(dockerfile, context.dockerfile)
    archive.close()
    return ContextSummary(archive.files, archive.size_bytes, ignored, is_outside or rules.leaves_out(dockerfile))


def ignore_rules(context: BuildContext) -> IgnoreRules:
    """Read the rules that hold for this context. Raises IgnoreFileInvalid."""
    if context.ignore_file is None:
        return IgnoreRules(())
    with context.ignore_file.open("rb") as file:
        return IgnoreRules.parse(file.read(MOST_BYTES + 1), context.ignore_file.name)


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
        self._begin()

    def add(self, path: str, place: Path | None = None) -> None:
        """Add one thing, after those folders above it that were left out: COPY then gives them their own mode.

        `place` is where it lies when that is not in the context.
        """
        parent = path.rpartition("/")[0]
        if parent not in self._folders:
            self.add(parent)
        place = place or self._context / path
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
            header.type, header.linkname = tarfile.SYMTYPE, link_text(place)
            self._put(_header_bytes(header))
        else:
            header.size = status.st_size
            self._put(_header_bytes(header))
            self._put_file(place, header.size)

    def _begin(self) -> None:
        """Begin with an entry of the plainest kind, the folder itself.

        The engine tells an archive from a mere Dockerfile by the first kilobyte: an extended header there, as a long
        or foreign name needs one, or a name that begins as packed files do, and it takes the one for the other.
        """
        header = tarfile.TarInfo(".")
        header.type, header.mode, header.mtime = tarfile.DIRTYPE, 0o755, int(self._context.stat().st_mtime)
        self._put(_header_bytes(header))

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
