"""A host's disk that takes no more, said so that somebody can do something about it."""

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from models.rules.errors.engine import HostDiskFailed

_FULL = {errno.ENOSPC, errno.EDQUOT}
_BROKEN = {errno.EIO, errno.EROFS, errno.EFBIG}
_UNITS = ("bytes", "KiB", "MiB", "GiB")


@contextmanager
def writing_below(folder: Path) -> Iterator[None]:
    """Raise HostDiskFailed when the body meets a full or broken disk; every other error goes on as it is."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL | _BROKEN:
            raise
        raise disk_failure(error, folder) from error


def disk_failure(error: OSError, folder: Path) -> HostDiskFailed:
    """Say which folder cannot be written, how much room its disk has, and what to do."""
    usage = shutil.disk_usage(_present(folder))
    room = f"{_shown(usage.free)} of {_shown(usage.total)} are free now"
    if error.errno in _FULL:
        return HostDiskFailed(
            f"The disk below {folder} has too little room ({error.strerror}): {room}; make room on it."
        )
    return HostDiskFailed(f"The disk below {folder} takes no files ({error.strerror}): {room}; find out why.")


def _present(folder: Path) -> Path:
    """Return the folder, or the nearest one above it that is there."""
    return next(place for place in (folder, *folder.parents) if place.exists())


def _shown(size_bytes: float) -> str:
    for unit in _UNITS[:-1]:
        if size_bytes < 1024:  # noqa: PLR2004 - what makes one unit of the next
            return f"{size_bytes:.0f} {unit}"
        size_bytes /= 1024
    return f"{size_bytes:.1f} {_UNITS[-1]}"
