"""Redaction by value over a stream of bytes: a secret never reaches the log, wherever the stream was cut."""

import re
from collections.abc import Iterable

MASK = b"******"

# A shorter value would black out ordinary words and digits all over a log, and protects nothing.
_SHORTEST_SECRET_BYTES = 4


class Redactor:
    """Replaces every occurrence of the given values by `******`; the longest value wins where several begin.

    One stream per object. What comes out of all `feed` calls and one `flush` is what replacing in the whole stream
    at once would give. Empty values and values below four bytes are not redacted.
    """

    def __init__(self, values: Iterable[str | bytes] = ()) -> None:
        secrets = {value.encode() if isinstance(value, str) else value for value in values}
        self._secrets = sorted((s for s in secrets if len(s) >= _SHORTEST_SECRET_BYTES), key=len, reverse=True)
        self._pattern = re.compile(b"|".join(map(re.escape, self._secrets))) if self._secrets else None
        self._held = b""

    def feed(self, chunk: bytes) -> bytes:
        """Return what is decided by now; only bytes that could be the beginning of a secret are held back."""
        if self._pattern is None:
            return chunk
        data = self._held + chunk
        undecided = self._undecided(data)
        done = 0
        parts: list[bytes] = []
        for match in self._pattern.finditer(data):
            # A longer secret may begin at or before this match: wait for the bytes that tell.
            if any(done <= start <= match.start() for start in undecided):
                break
            parts += (data[done : match.start()], MASK)
            done = match.end()
        held_from = min((start for start in undecided if start >= done), default=len(data))
        self._held = data[held_from:]
        parts.append(data[done:held_from])
        return b"".join(parts)

    def flush(self) -> bytes:
        """Return what was held back: the stream has ended, or pauses where no secret can go on."""
        held, self._held = self._held, b""
        return held if self._pattern is None else self._pattern.sub(MASK, held)

    def whole(self, data: bytes) -> bytes:
        """Redact a piece that belongs to no stream, such as a title."""
        return data if self._pattern is None else self._pattern.sub(MASK, data)

    def _undecided(self, data: bytes) -> list[int]:
        """Where a secret may have begun that the data is too short to show, in ascending order."""
        starts = set()
        for secret in self._secrets:
            start = data.find(secret[:1], max(0, len(data) - len(secret) + 1))
            while start >= 0:
                if secret.startswith(data[start:]):
                    starts.add(start)
                start = data.find(secret[:1], start + 1)
        return sorted(starts)
