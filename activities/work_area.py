"""A folder of this process for temporary files. What a killed process left is swept by the next one."""

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import uuid4

from activities.folders import remove_tree

log = logging.getLogger(__name__)

_LOCK = ".lock"


class WorkArea:
    """Use as `with WorkArea(root) as area`. A lock that dies with its process tells live areas from left ones."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.path = root / uuid4().hex
        self._lock: int | None = None

    def __enter__(self) -> Self:
        self._root.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _alone(self._root):  # or another's sweep finds the new area before it is locked
            self.path.mkdir(mode=0o700)
            self._lock = _lock(self.path)
            self._sweep()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        with _alone(self._root):
            try:
                remove_tree(self.path)
            except OSError as error:
                # a thread whose task was cancelled may still write here; without the lock the next start sweeps it
                log.warning("work_area_left", extra={"path": str(self.path), "error": error.strerror})
        if self._lock is not None:
            os.close(self._lock)

    def folder(self, name: str) -> Path:
        """Make an empty folder of this name in the area; one that is there already is emptied."""
        path = self.path / name
        remove_tree(path)
        path.mkdir(mode=0o700)
        return path

    def _sweep(self) -> None:
        """Remove the areas of processes that have ended; what is no area is left alone."""
        swept = 0
        for other in self._root.iterdir():
            if other == self.path or other.is_symlink() or not other.is_dir():
                continue
            lock = _lock(other)
            if lock is not None:
                remove_tree(other)
                os.close(lock)
                swept += 1
        if swept:
            log.info("work_areas_swept", extra={"areas": swept})


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Hold the root's own lock: areas come, go and are swept one at a time."""
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _lock(area: Path) -> int | None:
    """Return a descriptor that holds the area's lock, None when a live process holds it."""
    descriptor = os.open(area / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor
