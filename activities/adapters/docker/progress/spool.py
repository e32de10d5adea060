"""What lies between the thread that reads the engine and the one that interprets: a file, so memory stays small."""

import os
import threading
from pathlib import Path

# Once the interpreter has caught up and the file is larger than this, it starts anew.
_TRUNCATED_ABOVE = 4 * 1024 * 1024


class Spool:
    """A queue of bytes on disk with one writer and one reader. The file holds the backlog, not the whole stream."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        self._changed = threading.Condition()
        self._written = 0
        self._taken = 0
        self._has_ended = False

    def append(self, data: memoryview) -> None:
        """Raises OSError when the disk is full."""
        with self._changed:  # also while writing: shrink must not come in between
            while data:
                count = os.pwrite(self._file, data, self._written)
                self._written += count
                data = data[count:]
            self._changed.notify()

    def end(self) -> None:
        """Nothing more comes."""
        with self._changed:
            self._has_ended = True
            self._changed.notify()

    def take(self, most: int, within: float) -> bytes | None:
        """Wait for the next bytes, None when none came `within` seconds; empty when the stream has ended, all taken."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._written > self._taken or self._has_ended, within):
                return None
            available = self._written - self._taken
        data = os.pread(self._file, min(most, available), self._taken)
        with self._changed:
            self._taken += len(data)
        return data

    def shrink(self) -> None:
        """Give the disk back, when everything was taken. Call it from the thread that takes."""
        with self._changed:
            if self._taken == self._written and self._written > _TRUNCATED_ABOVE:
                os.ftruncate(self._file, 0)
                self._written = self._taken = 0

    def close(self) -> None:
        os.close(self._file)
