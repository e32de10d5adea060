"""A gzipped tar, read once from front to end in bounded memory, with nothing of it believed.

The standard library's reader keeps every member, takes headers of any size into memory, recurses over chained
headers and ends quietly at a damaged one; an archive from outside can use each of these. Here one member is held at
a time, what precedes it is limited, and every oddity has a name. The 512-byte header itself is the library's to parse.
"""

import tarfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from models.rules.errors.source import SourceBroken, SourceRefused

Progress = Callable[[int], None]
"""Told how many unpacked bytes were read, at least every 256 KiB; what it raises ends the work."""

REGULAR_TYPES = frozenset({tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE})

_BLOCK = tarfile.BLOCKSIZE
_CHUNK = 64 * 1024
_PIECE = 256 * 1024
_LONGEST_EXTENSION = 64 * 1024  # all pax and GNU headers before one member; a name and a link target need 8 KiB
_GZIP_WRAPPER = 31  # zlib's word for: a gzip header, and its checksum verified at the end


class OverLimit(SourceRefused):
    """More of something than the limits allow; known without reading on."""


@dataclass(frozen=True, slots=True)
class Member:
    """One entry as the archive states it. Text that is no UTF-8 bears surrogates; `size` is that of a file's bytes."""

    name: str
    type: bytes  # tarfile's constants: REGTYPE, DIRTYPE, SYMTYPE, …
    size: int
    mode: int
    mtime: int
    target: str


@dataclass
class _Extension:
    """What the headers before a member say of it in its own header's place."""

    read_bytes: int = 0
    name: str | None = None
    target: str | None = None
    size: int | None = None


class Tarball:
    """Raises SourceBroken when the file is cut off or damaged, SourceRefused when it is whole and no tar we read."""

    def __init__(self, file: BinaryIO, max_stream_bytes: int, progress: Progress) -> None:
        """At most `max_stream_bytes` are unpacked, headers and padding included; more is OverLimit."""
        self._stream = _GzipStream(file, max_stream_bytes, progress)
        self._data_left = 0
        self._padding = 0

    def members(self) -> Iterator[Member]:
        """Each member in turn, up to the end mark; data of a member that was not taken by `data` is passed over."""
        while (member := self._next()) is not None:
            self._data_left = member.size if member.type in REGULAR_TYPES else 0
            self._padding = -self._data_left % _BLOCK
            yield member
            for _unwanted in self.data():
                pass
            self._exactly(self._padding)

    def data(self) -> Iterator[bytes]:
        """Return the bytes of the member that `members` yielded last, in pieces, once."""
        while self._data_left:
            piece = self._exactly(min(self._data_left, _PIECE))
            self._data_left -= len(piece)
            yield piece

    def verify_rest(self) -> None:
        """Read on to the file's end, so that its checksum is verified."""
        while self._stream.read(_PIECE):
            pass

    def _next(self) -> Member | None:
        extension = _Extension()
        while (header := self._header()) is not None:
            if header.type in (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK):
                self._read_extension(header, extension)
                continue
            size = header.size if extension.size is None else extension.size
            if size < 0 or (size and header.type not in REGULAR_TYPES):
                raise SourceRefused("The source archive is no well-formed tar: a header states an impossible size.")
            name = header.name if extension.name is None else extension.name
            target = header.linkname if extension.target is None else extension.target
            name = name.rstrip("/") if header.type == tarfile.DIRTYPE else name
            return Member(name, header.type, size, header.mode, int(header.mtime), target)
        return None

    def _header(self) -> tarfile.TarInfo | None:
        block = self._exactly(_BLOCK)
        if not block.strip(b"\0"):
            return None
        try:
            return tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        except tarfile.HeaderError as error:
            raise SourceRefused(f"The source archive is no well-formed tar: {error}.") from error

    def _read_extension(self, header: tarfile.TarInfo, extension: _Extension) -> None:
        extension.read_bytes += _BLOCK + header.size
        if header.size < 0 or extension.read_bytes > _LONGEST_EXTENSION:
            raise SourceRefused(
                f"The source archive has more than {_LONGEST_EXTENSION} bytes of extended headers before one entry."
            )
        content = self._exactly(header.size)
        self._exactly(-header.size % _BLOCK)
        if header.type == tarfile.GNUTYPE_LONGNAME:
            extension.name = _text(content.rstrip(b"\0"))
        elif header.type == tarfile.GNUTYPE_LONGLINK:
            extension.target = _text(content.rstrip(b"\0"))
        else:
            _apply_pax(content, extension, for_all=header.type == tarfile.XGLTYPE)

    def _exactly(self, size: int) -> bytes:
        piece = self._stream.read(size)
        if len(piece) < size:
            # A server whose `git archive` died may well end its gzip stream properly.
            raise SourceBroken("The source archive ends in the middle of its contents; download it again.")
        return piece


def _apply_pax(content: bytes, extension: _Extension, *, for_all: bool) -> None:
    for key, value in _pax_records(content):
        if for_all and key in (b"path", b"linkpath", b"size"):
            raise SourceRefused(f"The source archive states one {key.decode()} for all of its entries.")
        if key.startswith(b"GNU.sparse."):
            raise SourceRefused("The source archive holds a sparse file, which no source needs.")
        if key == b"path":
            extension.name = _text(value)
        elif key == b"linkpath":
            extension.target = _text(value)
        elif key == b"size":
            if not value.isdigit() or len(value) > len(str(2**63)):
                raise SourceRefused("The source archive is no well-formed tar: a header states an impossible size.")
            extension.size = int(value)


def _pax_records(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Records are `<length of the whole record> <key>=<value><newline>`."""
    start = 0
    while start < len(content):
        digits, space, _rest = content[start : start + 8].partition(b" ")
        end = start + int(digits) if space and digits.isdigit() else start
        key, equals, value = content[start + len(digits) + 1 : end].partition(b"=")
        if not equals or not value.endswith(b"\n") or end > len(content):
            raise SourceRefused("The source archive is no well-formed tar: an extended header is garbled.")
        yield key, value[:-1]
        start = end


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


class _GzipStream:
    """The unpacked bytes of a gzip file of one or more parts, its checksums verified."""

    def __init__(self, file: BinaryIO, max_bytes: int, progress: Progress) -> None:
        self._file = file
        self._max_bytes = max_bytes
        self._progress = progress
        self._inflater = zlib.decompressobj(_GZIP_WRAPPER)
        self._packed = b""
        self._piece = b""
        self._taken = 0  # of the piece
        self._unpacked_bytes = 0

    def read(self, size: int) -> bytes:
        """Return `size` bytes, fewer only at the end."""
        if self._taken + size <= len(self._piece):  # nearly always: no list, no copy of what stays
            self._taken += size
            return self._piece[self._taken - size : self._taken]
        parts = [self._piece[self._taken :]]
        missing = size - len(parts[0])
        self._piece, self._taken = b"", 0
        while missing and (piece := self._inflate()):
            parts.append(piece[:missing])
            if len(piece) > missing:
                self._piece, self._taken = piece, missing
            missing -= len(parts[-1])
        return b"".join(parts)

    def _inflate(self) -> bytes:
        """Return the next piece, none at the whole end."""
        while self._more_is_packed():
            try:
                piece = self._inflater.decompress(self._packed, _PIECE)
            except zlib.error as error:
                raise SourceBroken(f"The source archive is damaged ({error}); download it again.") from error
            self._packed = self._inflater.unused_data if self._inflater.eof else self._inflater.unconsumed_tail
            self._unpacked_bytes += len(piece)
            self._progress(self._unpacked_bytes)
            if self._unpacked_bytes > self._max_bytes:
                raise OverLimit(f"The source archive unpacks to more than {self._max_bytes} bytes.")
            if piece:
                return piece
        return b""

    def _more_is_packed(self) -> bool:
        """Make sure of packed bytes to go on with; False at a proper end of the file."""
        if self._inflater.eof:
            self._packed = self._packed.lstrip(b"\0")  # padding, as tapes have it
            while not self._packed:
                self._packed = self._file.read(_CHUNK)
                if not self._packed:
                    return False
                self._packed = self._packed.lstrip(b"\0")
            self._inflater = zlib.decompressobj(_GZIP_WRAPPER)
        elif not self._packed:
            self._packed = self._file.read(_CHUNK)
            if not self._packed:
                raise SourceBroken("The source archive is cut off before its end; download it again.")
        return True
