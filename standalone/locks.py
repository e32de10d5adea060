"""Locks between processes: held by an open file, so that a killed holder cannot leave one behind."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

_PAUSE = 0.2  # flock(2) knows no time limit


@contextmanager
def lock(path: Path, within: timedelta = timedelta()) -> Iterator[bool]:
    """Hold the lock during a `with`; the value is False when somebody else still holds it after `within`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        yield _acquired(handle, time.monotonic() + within.total_seconds())
    finally:
        os.close(handle)


def _acquired(handle: int, until: float) -> bool:
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                return False
            time.sleep(_PAUSE)
        else:
            return True
