"""Which bytes of a log are answered, and how: a range of it, or all of it, compressed or plain. Pure."""

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import zstandard
from werkzeug.datastructures import Accept
from werkzeug.http import parse_accept_header, parse_if_range_header, parse_range_header

from models.repositories.log.facts import StoredLog

_PLAIN = "identity"
_WITH_GZIP_HEADER = 31  # of zlib's window bits


class Squeezing(Protocol):
    """A compressor, one for each answer."""

    def compress(self, data: bytes, /) -> bytes: ...

    def flush(self) -> bytes: ...


# the better one first: it counts where a client likes both alike
CODINGS: Mapping[str, Callable[[], Squeezing]] = {
    "zstd": lambda: zstandard.ZstdCompressor().compressobj(),
    "gzip": lambda: zlib.compressobj(wbits=_WITH_GZIP_HEADER),
}


@dataclass(frozen=True)
class Wanted:
    """What a client asked for, of the headers Accept-Encoding, Range and If-Range."""

    accept_encoding: str | None = None
    range: str | None = None
    if_range: str | None = None


@dataclass(frozen=True)
class Representation:
    """`coding` is None where the bytes are the log's own, which alone can be cut. `cut` is from where to where."""

    etag: str
    size: int
    coding: str | None = None
    cut: tuple[int, int] | None = None
    is_beyond: bool = False  # a range was asked for of which there is nothing

    @classmethod
    def of(cls, log: StoredLog, size: int, wanted: Wanted) -> "Representation":
        ranges = _range(wanted.range)
        coding = None if ranges is not None else _coding(wanted.accept_encoding)
        etag = _etag(log, size, coding)
        if ranges is None or not _may_cut(wanted.if_range, etag):
            return cls(etag, size, coding)
        first, end = ranges
        first, end = max(0, size + first) if first < 0 else first, size if end is None else min(end, size)
        return cls(etag, size, cut=(first, end)) if first < end else cls(etag, size, is_beyond=True)

    @property
    def headers(self) -> dict[str, str]:
        told = {"ETag": self.etag, "Vary": "Accept-Encoding"}
        if self.coding is not None:  # its length is known when all is sent, and nobody can name a place in it
            return told | {"Content-Encoding": self.coding}
        told["Accept-Ranges"] = "bytes"
        if self.is_beyond:
            return told | {"Content-Range": f"bytes */{self.size}"}
        if self.cut is None:
            return told | {"Content-Length": str(self.size)}
        first, end = self.cut
        return told | {"Content-Range": f"bytes {first}-{end - 1}/{self.size}", "Content-Length": str(end - first)}


def _etag(log: StoredLog, size_bytes: int, coding: str | None) -> str:
    """Name these very bytes: an attempt's log is only added to, and each attempt of a build has a log of its own."""
    return f'"{log.build_id.hex}-{log.attempt}-{size_bytes}{f"-{coding}" if coding else ""}"'


def _coding(accept_encoding: str | None) -> str | None:
    """Return what compresses the answer, None for nothing: of those codings that are named, not of any by `*`."""
    accepted = parse_accept_header(accept_encoding, Accept)
    named = Accept([(word, quality) for word, quality in accepted if word != "*"])
    best = named.best_match([*CODINGS, _PLAIN])
    return best if best != _PLAIN else None


def _range(header: str | None) -> tuple[int, int | None] | None:
    """Return the one range of bytes that is asked for, its end exclusive, None to answer all.

    A server may ignore what it does not know, RFC 9110 §14.2: other units, several ranges, and what is no range.
    """
    found = parse_range_header(header)
    if found is None or found.units != "bytes" or len(found.ranges) != 1:
        return None
    first, end = found.ranges[0]
    return first, end


def _may_cut(if_range: str | None, etag: str) -> bool:
    """Say whether who asks knows these bytes; a date never says so, since logs have none."""
    if if_range is None:
        return True
    return not if_range.startswith("W/") and f'"{parse_if_range_header(if_range).etag}"' == etag
