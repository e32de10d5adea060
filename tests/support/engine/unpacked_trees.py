"""Archives' trees as they lie unpacked, and the limits they are unpacked under."""

import os
import stat
from pathlib import Path

from activities.source.tree import ArchiveLimits

LIMITS = ArchiveLimits(max_entries=1_000, max_unpacked_bytes=16 * 1024**2)

Snapshot = dict[str, tuple[int, int, bytes]]


def unwatched(_unpacked_bytes: int) -> None:
    pass


def snapshot(tree: Path) -> Snapshot:
    """Everything below a folder: mode, time and contents; links are not followed."""
    found: Snapshot = {}
    for place in (tree, *sorted(tree.rglob("*"))):
        status = place.lstat()
        link = os.fsencode(place.readlink()) if place.is_symlink() else None
        content = link or (place.read_bytes() if stat.S_ISREG(status.st_mode) else b"")
        found[str(place.relative_to(tree))] = (status.st_mode, status.st_mtime_ns, content)
    return found
