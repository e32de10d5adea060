"""The newest bytes of a log, in memory. Pure."""

from collections import deque

from models.rules.log_chunk import LogBytes

KEPT_BYTES = 1024 * 1024


class Ring:
    """The newest bytes of a log, about `KEPT_BYTES` of them."""

    def __init__(self, start: int) -> None:
        self.start = self.end = start
        self._runs: deque[LogBytes] = deque()

    def add(self, run: LogBytes) -> None:
        self._runs.append(run)
        self.end = run.end
        while self.end - self._runs[0].end >= KEPT_BYTES:
            self._runs.popleft()
        self.start = self._runs[0].offset

    def read(self, offset: int, most_bytes: int) -> bytes:
        """Return bytes from `offset` on, which lies at or behind `start`; b"" at the end."""
        for run in reversed(self._runs):
            if run.offset <= offset:
                return run.after(offset).data[:most_bytes]
        return b""
