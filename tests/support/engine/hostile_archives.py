"""Odd source archives, most of which must not be unpacked. Every writer makes one file, quickly, of at most 11 MB.

`HOSTILE` holds them by name. Those of `BROKEN` are what a bad connection leaves and worth another download
(SourceBroken); the others are refused for good (SourceRefused). The bombs exceed the service's default limits.
`TAKEN` are no more than odd.
"""

import functools
import gzip
import os
import tarfile
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path

Writer = Callable[[Path], None]

TOP = "hello-0123abc"
END = bytes(2 * tarfile.BLOCKSIZE)
GIBIBYTE = 1024**3


def entry(
    name: str, content: bytes = b"", *, kind: bytes = tarfile.REGTYPE, target: str = "", size: int | None = None
) -> bytes:
    """One entry of a tar. `size` overrides what the header says; surrogates in names become their bytes."""
    header = tarfile.TarInfo(name)
    header.type, header.linkname, header.mode = kind, target, 0o755 if kind == tarfile.DIRTYPE else 0o644
    header.size = len(content) if size is None else size
    return header.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape") + _padded(content)


def folder(name: str) -> bytes:
    return entry(name, kind=tarfile.DIRTYPE)


def symlink(name: str, target: str) -> bytes:
    return entry(name, kind=tarfile.SYMTYPE, target=target)


def hard_link(name: str, target: str) -> bytes:
    return entry(name, kind=tarfile.LNKTYPE, target=target)


def pax(records: Iterable[tuple[str, str]], kind: bytes = tarfile.XHDTYPE) -> bytes:
    """An extended header for the next entry, or with XGLTYPE for all."""
    written = b"".join(_pax_record(f" {key}={value}\n".encode("utf-8", "surrogateescape")) for key, value in records)
    return entry("pax_header", written, kind=kind)


def write(path: Path, *entries: bytes, end: bytes = END) -> None:
    path.write_bytes(gzip.compress(b"".join(entries) + end, compresslevel=1, mtime=0))


def write_tree(path: Path, *entries: bytes) -> None:
    """An archive with the given entries beside a Dockerfile below the top folder."""
    write(path, folder(TOP), entry(f"{TOP}/Dockerfile", b"FROM busybox:1.36\n"), *entries)


def _padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % tarfile.BLOCKSIZE)


def _pax_record(rest: bytes) -> bytes:
    size = len(rest) + 1
    while len(str(size)) + len(rest) != size:
        size = len(str(size)) + len(rest)
    return str(size).encode() + rest


def _tree_of(*entries: bytes) -> Writer:
    return lambda path: write_tree(path, *entries)


def _archive_of(*entries: bytes) -> Writer:
    return lambda path: write(path, *entries)


@functools.cache
def _packed_zeros() -> tuple[bytes, int]:
    """A gzip part, and of how many zero bytes it is: 16 MiB in 16 KiB."""
    size = 16 * 1024**2
    return gzip.compress(bytes(size), mtime=0), size


def _write_zeros(path: Path, before: bytes, size: int) -> None:
    """Gzip parts may follow each other: the zeros are packed once and repeated."""
    part, part_size = _packed_zeros()
    with path.open("wb") as file:
        file.write(gzip.compress(before, mtime=0))
        for _part in range(size // part_size):
            file.write(part)
        file.write(gzip.compress(END, mtime=0))


def one_huge_file(path: Path) -> None:
    _write_zeros(path, folder(TOP) + entry(f"{TOP}/zeros", size=10 * GIBIBYTE), 10 * GIBIBYTE)


def zeros_behind_the_end(path: Path) -> None:
    _write_zeros(path, folder(TOP) + END, 10 * GIBIBYTE)


def huge_pax_header(path: Path) -> None:
    _write_zeros(path, folder(TOP) + entry("pax_header", kind=tarfile.XHDTYPE, size=GIBIBYTE), GIBIBYTE)


def huge_long_name(path: Path) -> None:
    _write_zeros(path, folder(TOP) + entry("././@LongLink", kind=tarfile.GNUTYPE_LONGNAME, size=GIBIBYTE), GIBIBYTE)


def a_million_entries(path: Path) -> None:
    """The same thousand folders a thousand times, which no rule but the limit forbids."""
    part = gzip.compress(b"".join(folder(f"{TOP}/{number:04}") for number in range(1000)), mtime=0)
    with path.open("wb") as file:
        file.write(gzip.compress(folder(TOP), mtime=0))
        for _part in range(1000):
            file.write(part)
        file.write(gzip.compress(END, mtime=0))


def many_links_to_one_file(path: Path) -> None:
    big = entry(f"{TOP}/big", bytes(32 * 1024**2))
    write(path, folder(TOP), big, *(hard_link(f"{TOP}/link{number}", f"{TOP}/big") for number in range(100)))


def deep_folders_without_entries(path: Path) -> None:
    """Eight hundred entries that make sixty thousand folders."""
    names = ("/".join([TOP, str(number), *"abcdefghijklmnopqrstuvwxyz" * 3, "a", "file"]) for number in range(800))
    write(path, folder(TOP), *(entry(name) for name in names))


def sparse_file(path: Path) -> None:
    """A header of the old GNU kind that claims a terabyte and brings nothing."""
    write_tree(path, entry(f"{TOP}/sparse", kind=tarfile.GNUTYPE_SPARSE, size=0))


def pax_sparse_file(path: Path) -> None:
    records = [("GNU.sparse.major", "1"), ("GNU.sparse.minor", "0"), ("GNU.sparse.realsize", str(1024**4))]
    write_tree(path, pax(records), entry(f"{TOP}/sparse"))


def a_garbled_header(path: Path) -> None:
    garbled = bytearray(folder(f"{TOP}/folder"))
    garbled[0] ^= 1
    write_tree(path, bytes(garbled))


def _ordinary() -> bytes:
    noise = os.urandom(200_000)
    return folder(TOP) + entry(f"{TOP}/Dockerfile", b"FROM busybox:1.36\n") + entry(f"{TOP}/noise", noise) + END


def cut_off(path: Path) -> None:
    whole = gzip.compress(_ordinary(), mtime=0)
    path.write_bytes(whole[: len(whole) // 2])


def cut_off_by_one_byte(path: Path) -> None:
    path.write_bytes(gzip.compress(_ordinary(), mtime=0)[:-1])


def cut_off_before_packing(path: Path) -> None:
    path.write_bytes(gzip.compress(_ordinary()[:150_000], mtime=0))


def without_an_end_mark(path: Path) -> None:
    write(path, folder(TOP), entry(f"{TOP}/Dockerfile", b"FROM busybox:1.36\n"), end=b"")


def corrupt(path: Path) -> None:
    whole = bytearray(gzip.compress(_ordinary(), mtime=0))
    whole[len(whole) // 2] ^= 0x10
    path.write_bytes(whole)


def corrupt_checksum(path: Path) -> None:
    whole = bytearray(gzip.compress(_ordinary(), mtime=0))
    whole[-8] ^= 1
    path.write_bytes(whole)


def corrupt_name(path: Path) -> None:
    """A flipped bit that looks like malice: only the checksum at the end tells."""
    content = folder(TOP) + entry(f"{TOP}/../escaped") + END
    packer = zlib.compressobj(wbits=-15)
    packed = packer.compress(content) + packer.flush()
    path.write_bytes(gzip.compress(b"", mtime=0)[:10] + packed + bytes(8))


def an_error_page(path: Path) -> None:
    path.write_bytes(b"<html><body>502 Bad Gateway</body></html>")


def an_empty_file(path: Path) -> None:
    path.write_bytes(b"")


BROKEN: dict[str, Writer] = {
    "cut off": cut_off,
    "cut off by one byte": cut_off_by_one_byte,
    "cut off before packing": cut_off_before_packing,
    "without an end mark": without_an_end_mark,
    "corrupt": corrupt,
    "corrupt checksum": corrupt_checksum,
    "corrupt name": corrupt_name,
    "an error page": an_error_page,
    "an empty file": an_empty_file,
}

BOMBS: dict[str, Writer] = {
    "10 GB from 10 MB": one_huge_file,
    "zeros behind the end": zeros_behind_the_end,
    "huge pax header": huge_pax_header,
    "huge long name": huge_long_name,
    "a million entries": a_million_entries,
    "many links to one file": many_links_to_one_file,
    "deep folders without entries": deep_folders_without_entries,
}

REFUSED: dict[str, Writer] = {
    "parent in a name": _tree_of(entry(f"{TOP}/../escaped", b"x")),
    "parents in a name": _tree_of(entry(f"{TOP}/a/../../../escaped", b"x")),
    "parent as a name": _tree_of(folder(f"{TOP}/..")),
    "absolute name": _tree_of(entry("/slipway-escaped", b"x")),
    "absolute name in pax": _tree_of(pax([("path", "/slipway-escaped")]), entry(f"{TOP}/file", b"x")),
    "parent in a pax name": _tree_of(pax([("path", f"{TOP}/../../escaped")]), entry(f"{TOP}/file", b"x")),
    "one pax name for all": _archive_of(pax([("path", f"{TOP}/x")], tarfile.XGLTYPE), folder(TOP)),
    "dot in a name": _tree_of(entry(f"{TOP}/./file")),
    "empty part in a name": _tree_of(entry(f"{TOP}//file")),
    "link of more than 4095 bytes": _tree_of(symlink(f"{TOP}/link", "x" * 4096)),
    "link with a NUL": _tree_of(pax([("linkpath", "a\0b")]), symlink(f"{TOP}/link", "x")),
    "link without a target": _tree_of(symlink(f"{TOP}/link", "")),
    "file below a link": _tree_of(symlink(f"{TOP}/a", "."), entry(f"{TOP}/a/file", b"x")),
    "file below a link out": _tree_of(symlink(f"{TOP}/a", "../canary"), entry(f"{TOP}/a/file", b"x")),
    "file below a file": _tree_of(entry(f"{TOP}/Dockerfile/file", b"x")),
    "file, then a link of its name": _tree_of(entry(f"{TOP}/a", b"x"), symlink(f"{TOP}/a", "Dockerfile")),
    "link, then a file of its name": _tree_of(symlink(f"{TOP}/a", "Dockerfile"), entry(f"{TOP}/a", b"x")),
    "link, then a folder of its name": _tree_of(symlink(f"{TOP}/a", "."), folder(f"{TOP}/a")),
    "folder, then a link of its name": _tree_of(folder(f"{TOP}/a"), symlink(f"{TOP}/a", "../canary")),
    "file twice": _tree_of(entry(f"{TOP}/Dockerfile", b"x")),
    "hard link out": _tree_of(hard_link(f"{TOP}/link", "../canary/file")),
    "hard link to an absolute name": _tree_of(hard_link(f"{TOP}/link", "/etc/passwd")),
    "hard link to a later file": _tree_of(hard_link(f"{TOP}/link", f"{TOP}/later"), entry(f"{TOP}/later")),
    "character device": _tree_of(entry(f"{TOP}/null", kind=tarfile.CHRTYPE)),
    "block device": _tree_of(entry(f"{TOP}/disk", kind=tarfile.BLKTYPE)),
    "named pipe": _tree_of(entry(f"{TOP}/pipe", kind=tarfile.FIFOTYPE)),
    "unknown kind": _tree_of(entry(f"{TOP}/odd", kind=b"Z")),
    "sparse file": sparse_file,
    "sparse file in pax": pax_sparse_file,
    "NUL in a pax name": _tree_of(pax([("path", f"{TOP}/a\0b")]), entry(f"{TOP}/file", b"x")),
    "NUL in a long name": _tree_of(
        entry("././@LongLink", f"{TOP}/a\0b\0".encode(), kind=tarfile.GNUTYPE_LONGNAME), entry(f"{TOP}/file", b"x")
    ),
    "part too long": _tree_of(entry(f"{TOP}/{'a' * 256}")),
    "name too long": _tree_of(entry(f"{TOP}/" + "/".join(["a" * 200] * 12))),
    "folders too deep": _tree_of(entry(f"{TOP}/" + "/".join("a" * 300))),
    "chained headers": _tree_of(*(pax([("comment", "x")]) for _n in range(500)), entry(f"{TOP}/file")),
    "garbled pax header": _tree_of(entry("pax_header", b"99 path=a\n", kind=tarfile.XHDTYPE), entry(f"{TOP}/file")),
    "pax header without a length": _tree_of(entry("pax_header", b"1" * 9000, kind=tarfile.XHDTYPE), folder(TOP)),
    "negative size in pax": _tree_of(pax([("size", "-512")]), entry(f"{TOP}/file")),
    "negative size": _tree_of(entry(f"{TOP}/file", size=-512)),
    "folder with contents": _tree_of(entry(f"{TOP}/a", b"x", kind=tarfile.DIRTYPE)),
    "garbled header": a_garbled_header,
    "no top folder": _archive_of(entry("Dockerfile", b"FROM busybox:1.36\n")),
    "two top folders": _tree_of(folder("other"), entry("other/file", b"x")),
    "link as the top folder": _archive_of(symlink(TOP, "canary"), entry(f"{TOP}/file", b"x")),
    "nothing inside": _archive_of(),
}

# odd, and taken as git and docker take them: links stay what they say, and names are bytes
TAKEN: dict[str, Writer] = {
    "absolute link": _tree_of(symlink(f"{TOP}/link", "/etc/passwd")),
    "link out": _tree_of(symlink(f"{TOP}/link", "../canary")),
    "link out of the top folder and in again": _tree_of(symlink(f"{TOP}/link", f"../{TOP}/Dockerfile")),
    "link out of a deep folder": _tree_of(symlink(f"{TOP}/a/b/link", "../../../canary")),
    "link out through a link": _tree_of(
        folder(f"{TOP}/a"),
        folder(f"{TOP}/a/b"),
        symlink(f"{TOP}/top", "a/b/../.."),
        symlink(f"{TOP}/a/b/escape", "../../top/../canary"),
    ),
    "link out through a later link": _tree_of(symlink(f"{TOP}/a", "b/../canary"), symlink(f"{TOP}/b", "sub/..")),
    "link out through a missing folder": _tree_of(symlink(f"{TOP}/a", "later/../../canary")),
    "long chain of links": _tree_of(*(symlink(f"{TOP}/l{n}", f"l{n + 1}") for n in range(100))),
    "link to a name with a newline": _tree_of(symlink(f"{TOP}/link", "a\nb")),
    "hard link to a link": _tree_of(symlink(f"{TOP}/a", "Dockerfile"), hard_link(f"{TOP}/b", f"{TOP}/a")),
    "newline in a name": _tree_of(entry(f"{TOP}/a\nb", b"x")),
    "carriage return in a name": _tree_of(entry(f"{TOP}/a\rb", b"x")),
    "escape code in a name": _tree_of(entry(f"{TOP}/\x1b[2Jb", b"x")),
    "line separator in a name": _tree_of(entry(f"{TOP}/a\u2028b", b"x")),
    "undecodable name": _tree_of(entry(f"{TOP}/\udcff\udcfe", b"x")),
    "circle of links": _tree_of(symlink(f"{TOP}/a", "b"), symlink(f"{TOP}/b", "a")),
    "link to a folder with a file in it": _tree_of(entry(f"{TOP}/real/file", b"x"), symlink(f"{TOP}/a", "real")),
    "link that no text can hold": _tree_of(symlink(f"{TOP}/link", "caf\udce9")),
    "link of 4095 bytes": _tree_of(symlink(f"{TOP}/link", "x" * 4095)),
}

HOSTILE: dict[str, Writer] = {**REFUSED, **BOMBS, **BROKEN}
