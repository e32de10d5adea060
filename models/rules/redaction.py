"""Redaction by value: of streams, wherever they were cut, and of texts that are stored or shown."""

import copy
import re
from collections.abc import Iterable
from typing import TypeVar

from models.rules.errors.domain import DomainError

MASK = b"******"

# A shorter value would black out ordinary words and digits all over a log, and protects nothing.
_SHORTEST_SECRET_BYTES = 4
_SHORTEST_BEGINNING = 8
_LONGEST_TEXT = 2000

SomeError = TypeVar("SomeError", bound=DomainError)


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


class Redaction:
    """Makes texts fit to be stored or shown: first without the given values, then not too long.

    In this order, and once, where they are stored: of a value that was cut first, all but its end would show. Where
    somebody else has cut it, more than its first half is taken for the value.
    """

    def __init__(self, values: Iterable[str] = ()) -> None:
        values = tuple(values)
        self._redactor = Redactor(values)
        self._beginnings = sorted({value for value in values if len(value) >= _SHORTEST_BEGINNING}, key=len)

    def text(self, text: str, longest: int = _LONGEST_TEXT) -> str:
        whole = self._redactor.whole(text.encode(errors="replace")).decode(errors="replace")
        for value in self._beginnings:
            whole = _without_beginnings(whole, value)
        return whole if len(whole) <= longest else f"{whole[: longest - 2]} …"

    def texts(self, texts: Iterable[str]) -> tuple[str, ...]:
        return tuple(map(self.text, texts))

    def error(self, error: SomeError) -> SomeError:
        """Return the error as it may be told; what it came from stays what it was."""
        told = copy.copy(error).with_traceback(error.__traceback__)
        told.__cause__ = error.__cause__
        told.detail = self.text(error.detail)
        told.args = (told.detail,)
        step = getattr(told, "failing_step", None)
        if isinstance(step, str):
            vars(told)["failing_step"] = self.text(step)
        return told


def _without_beginnings(text: str, value: str) -> str:
    """Mask what begins like the value and is cut: at least its first half and some."""
    least = max(_SHORTEST_BEGINNING, len(value) // 2 + 1)
    parts: list[str] = []
    done = 0
    while (start := text.find(value[:least], done)) >= 0:
        end = start + least
        while end < len(text) and end - start < len(value) and text[end] == value[end - start]:
            end += 1
        parts += (text[done:start], MASK.decode())
        done = end
    return "".join((*parts, text[done:]))
