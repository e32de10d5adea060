"""Source archives as GitHub makes them: what may be unpacked, and unpacking it.

The same rules judge an archive when it was downloaded and again while it is unpacked. Links are made last, so that
nothing is ever written through one. Where a build wants a part of the tree only, the rest is passed over.
"""

import contextlib
import hashlib
import os
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from activities.folders import remove_tree
from activities.source.tarball import REGULAR_TYPES, Member, OverLimit, Progress, Tarball
from activities.source.tree import PASSED_OVER, ArchiveLimits, HardLinkMet, SourceTree
from activities.source.wanted import EVERYTHING, Wanted
from models.rules.errors.source import SourceRefused

_HEADER_BYTES_PER_ENTRY = 4096  # on average: header, padding, an extended header
_SLACK_BYTES = 1024 * 1024
_BLOCK = 1024 * 1024
_LFS_POINTER = b"version https://git-lfs.github.com/spec/v1\n"  # how a file begins that only stands for another
_LARGEST_POINTER = 1024
MOST_POINTERS = 1000
_LATEST_MTIME = 2**33 - 1  # what a tar header can hold


@dataclass(frozen=True)
class Unpacked:
    """Paths in the source of Git LFS pointers: files that only stand for others. At most MOST_POINTERS are told."""

    lfs_pointers: tuple[str, ...]


@dataclass(frozen=True)
class ArchiveSummary:
    """`entries` counts files, folders and links; `unpacked_bytes` their contents; the top folder is GitHub's."""

    entries: int
    unpacked_bytes: int
    top_folder: str


def inspect_archive(
    path: Path, limits: ArchiveLimits, progress: Progress, wanted: Wanted = EVERYTHING
) -> ArchiveSummary:
    """Read the whole archive and judge what is wanted of it; nothing is written. Blocks: call it in a thread.

    `progress` may raise to end the work. Raises SourceBroken when the file is cut off or damaged, SourceRefused with
    a sentence that names the entry when the file is whole and holds what no build may unpack or exceeds the limits.
    """

    def judge(wanted: Wanted) -> SourceTree:
        tree = SourceTree(limits, wanted)
        for _entry in _judged(path, tree, progress, wanted):
            pass
        return tree

    tree = _with_targets(judge, wanted)
    return ArchiveSummary(tree.entries, tree.unpacked_bytes, tree.top_folder)


def extract_archive(
    path: Path, into: Path, limits: ArchiveLimits, progress: Progress, wanted: Wanted = EVERYTHING
) -> Unpacked:
    """Unpack what is wanted below the existing folder `into`, without the top folder. Blocks: call it in a thread.

    What lies below `into` is removed first, so a repeat starts over, and is removed again after any failure. Raises
    as inspect_archive. Files become 0644 or 0755, folders 0755, all of them the caller's own; times are kept, and
    links are what they say, wherever they lead.
    """
    pointers: list[str] = []

    def extract(wanted: Wanted) -> SourceTree:
        _empty(into)
        pointers.clear()
        tree = SourceTree(limits, wanted)
        pointers.extend(_extract(into, _judged(path, tree, progress, wanted), tree))
        return tree

    try:
        _with_targets(extract, wanted)
        return Unpacked(tuple(pointers))
    except BaseException:
        _empty(into)
        raise


def _with_targets(work: Callable[[Wanted], SourceTree], wanted: Wanted) -> SourceTree:
    """Do the work again when links lead from what is wanted to what was passed over; all links are known by then."""
    try:
        tree = work(wanted)
        more = wanted.with_targets(tree.links)
        return tree if more == wanted else work(more)
    except HardLinkMet:
        return work(EVERYTHING)


def measure(path: Path) -> tuple[int, str]:
    """Return the file's size in bytes and its sha256, hex. Blocks."""
    digest = hashlib.sha256()
    size_bytes = 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            size_bytes += len(block)
    return size_bytes, digest.hexdigest()


@dataclass(frozen=True, slots=True)
class _Entry:
    """A member that passed: `path` lies below the top folder, "" being that folder itself."""

    path: str
    member: Member
    tarball: Tarball


def _judged(path: Path, tree: SourceTree, progress: Progress, wanted: Wanted) -> Iterator[_Entry]:
    """Yield what is wanted and passes, each when it is the tarball's current member; raise at what does not pass."""
    limits = tree.limits
    stream_limit = limits.max_unpacked_bytes + limits.max_entries * _HEADER_BYTES_PER_ENTRY + _SLACK_BYTES
    stream_limit *= 1 if wanted.is_all else PASSED_OVER
    with path.open("rb") as file:
        tarball = Tarball(file, stream_limit, progress)
        try:
            for member in tarball.members():
                place = tree.add(member)
                if place is not None:
                    yield _Entry(place, member, tarball)
            if not tree.top_folder:
                raise SourceRefused("The source archive is empty.")
        except OverLimit:
            raise
        except SourceRefused:
            with contextlib.suppress(OverLimit):
                tarball.verify_rest()  # one flipped bit can look like malice: a damaged file is SourceBroken
            raise
        tarball.verify_rest()


def _extract(into: Path, entries: Iterator[_Entry], tree: SourceTree) -> list[str]:
    """Write the entries that `tree` judges on their way; return the paths of Git LFS pointers among them."""
    pointers: list[str] = []
    folder_times: dict[str, int] = {}
    link_times: dict[str, int] = {}
    for entry in entries:
        place = into / entry.path
        if entry.member.type == tarfile.DIRTYPE:
            folder_times[entry.path] = entry.member.mtime
        elif entry.path in tree.links:
            link_times[entry.path] = entry.member.mtime
        (place if entry.path in folder_times else place.parent).mkdir(mode=0o755, parents=True, exist_ok=True)
        if entry.member.type in REGULAR_TYPES:
            if _write_file(place, entry).startswith(_LFS_POINTER) and len(pointers) < MOST_POINTERS:
                pointers.append(entry.path)
        elif entry.member.type == tarfile.LNKTYPE and entry.path not in tree.links:
            os.link(into / tree.linked_file(entry.member), place, follow_symlinks=False)
    for link, mtime in link_times.items():
        os.symlink(tree.links[link], into / link)  # noqa: PTH211 - pathlib would tidy its text up
        _set_mtime(into / link, mtime)
    for folder in sorted(tree.folders - {""}, reverse=True):  # the deepest first: writing into one moves its time
        (into / folder).chmod(0o755)
        _set_mtime(into / folder, folder_times.get(folder, 0))
    return pointers


def _write_file(place: Path, entry: _Entry) -> bytes:
    """Return the whole of a file that is small enough for a pointer, else nothing."""
    mode = 0o755 if entry.member.mode & 0o100 else 0o644  # git knows no other modes
    beginning = b""
    handle = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    with os.fdopen(handle, "wb") as file:
        os.fchmod(handle, mode)  # whatever the umask
        for piece in entry.tarball.data():
            file.write(piece)
            beginning = piece if entry.member.size <= _LARGEST_POINTER else b""
    _set_mtime(place, entry.member.mtime)
    return beginning


def _set_mtime(place: Path, seconds: int) -> None:
    mtime = min(max(seconds, 0), _LATEST_MTIME)
    os.utime(place, (mtime, mtime), follow_symlinks=False)


def _empty(folder: Path) -> None:
    for path in list(folder.iterdir()):
        remove_tree(path)
