"""Bytes of logs, squeezed for storage. Pure."""

from dataclasses import dataclass

import zstandard

LARGEST_CHUNK = 64 * 1024  # bytes of log in one row
_LEVEL = 3


@dataclass(frozen=True)
class LogBytes:
    """A run of a log's bytes, from `offset` on."""

    offset: int
    data: bytes

    @property
    def end(self) -> int:
        return self.offset + len(self.data)

    def after(self, offset: int) -> "LogBytes":
        """Return what of it lies at or behind `offset`."""
        return self if offset <= self.offset else LogBytes(offset, self.data[offset - self.offset :])


def squeeze(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(level=_LEVEL).compress(data)


def unsqueeze(data: bytes) -> bytes:
    return zstandard.ZstdDecompressor().decompress(data, max_output_size=LARGEST_CHUNK)
