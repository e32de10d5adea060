"""A log's bytes as what people and JSON can take. Pure."""

import codecs
from collections.abc import Iterator
from dataclasses import dataclass

_LONGEST_CHARACTER = 4  # bytes, in UTF-8
_TOP_BITS, _CONTINUES = 0b1100_0000, 0b1000_0000


def as_text(data: bytes, *, cut_bytes: int, is_complete: bool, lines: int | None, whole: str) -> str:
    """Show `data`, before which `cut_bytes` were left away; what is no UTF-8 shows as U+FFFD.

    A character that is still being written is held back, so that the text of an open log is only added to.
    """
    if lines is not None:
        start = _start_of_last(data, lines)
        if start > 0:
            data, cut_bytes = data[start:], 0  # the lines that were asked for are all here
    if cut_bytes > 0:
        data = data[_bytes_of_cut_character(data) :]
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    text = decoder.decode(data, final=is_complete)
    notice = f"[the first {cut_bytes} bytes are not shown here; the whole log is at {whole}]\n"
    return notice + text if cut_bytes > 0 else text


def _start_of_last(data: bytes, lines: int) -> int:
    """Return where the last `lines` lines begin; 0 when there are no more than those."""
    place = len(data) - 1 if data.endswith(b"\n") else len(data)
    for _line in range(lines):
        place = data.rfind(b"\n", 0, place)
        if place < 0:
            return 0
    return place + 1


def _bytes_of_cut_character(data: bytes) -> int:
    """Return how many bytes at the start belong to a character whose first byte was cut away."""
    for place, byte in enumerate(data[:_LONGEST_CHARACTER]):
        if byte & _TOP_BITS != _CONTINUES:
            return place
    return 0


@dataclass(frozen=True)
class LogPiece:
    """A run of a log's bytes; `text` is None where they are no UTF-8."""

    offset: int
    data: bytes
    text: str | None

    @property
    def end(self) -> int:
        return self.offset + len(self.data)


class LogCutter:
    """Cuts a log that comes in runs of bytes into pieces, whose bytes joined are the same, from `offset` on."""

    def __init__(self, offset: int) -> None:
        self.offset = offset  # where the next run of bytes belongs
        self._held = b""  # the start of a character whose rest has not come yet

    def cut(self, data: bytes) -> Iterator[LogPiece]:
        """Yield what can be shown; up to three bytes are held back until the next call."""
        place = self.offset - len(self._held)
        self.offset += len(data)
        data, self._held = self._held + data, b""
        while data:
            text, length = _leading_text(data)
            if length > 0:
                yield LogPiece(place, data[:length], text)
            elif _may_be_completed(data):
                self._held = data
                return
            else:
                # up to the line's end at once: binary data would make a piece of every few bytes else
                length = data.find(b"\n") + 1 or len(data)
                yield LogPiece(place, data[:length], None)
            place, data = place + length, data[length:]

    def rest(self) -> Iterator[LogPiece]:
        """Yield what is still held back: nothing more comes."""
        if self._held:
            yield LogPiece(self.offset - len(self._held), self._held, None)
            self._held = b""


def _leading_text(data: bytes) -> tuple[str, int]:
    """Return the text that `data` begins with, and its length in bytes."""
    try:
        return data.decode(), len(data)
    except UnicodeDecodeError as error:
        return data[: error.start].decode(), error.start


def _may_be_completed(data: bytes) -> bool:
    if len(data) >= _LONGEST_CHARACTER:
        return False
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        return decoder.decode(data) == ""
    except UnicodeDecodeError:
        return False
