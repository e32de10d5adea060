"""The rules for a source tree: what it may hold, however an archive spells it.

They hold for the tree that results, not for one entry at a time: a name must not stand for two things, nothing may lie
below a link, and links are judged when all that they may lead through is known.
"""

import os
import tarfile
import unicodedata
from dataclasses import dataclass

from activities.source.tarball import REGULAR_TYPES, Member, OverLimit
from models.rules.errors.source import SourceRefused

_LONGEST_NAME_BYTES = 2048  # half of Linux's limit: the folder it is unpacked below has a name, too
_LONGEST_PART_BYTES = 255  # what file systems take between two slashes
_DEEPEST = 100
_LONGEST_CHAIN = 40  # links met on the way to one target; the kernel follows no more, either
_NAME_BYTES_PER_ENTRY = 256  # on average, with link targets: bounds what the index of names takes in memory
_SLACK_BYTES = 1024 * 1024
_QUOTED = 120

_REFUSED_TYPES = {
    tarfile.CHRTYPE: "a character device",
    tarfile.BLKTYPE: "a block device",
    tarfile.FIFOTYPE: "a named pipe",
    tarfile.GNUTYPE_SPARSE: "a sparse file",
}


@dataclass(frozen=True)
class ArchiveLimits:
    max_entries: int
    max_unpacked_bytes: int


class SourceTree:
    """The tree that the members seen so far make, and the rules it must keep."""

    def __init__(self, limits: ArchiveLimits) -> None:
        self.limits = limits
        self.top_folder = ""
        self.entries = 0
        self.unpacked_bytes = 0
        self.links: dict[str, str] = {}
        self.folders = {""}
        self._file_sizes: dict[str, int] = {}
        self._resolved: dict[str, str] = {}
        self._name_bytes = 0

    def add(self, member: Member) -> str:
        """Take one member in and return its path below the top folder. Raises SourceRefused."""
        self._check_limits(member)
        _check_name(member)
        top, _slash, path = member.name.partition("/")
        self.top_folder = self.top_folder or top
        if top != self.top_folder:
            raise _refusal(member, "lies outside the one top folder that GitHub's archives have")
        if not path and member.type != tarfile.DIRTYPE:
            raise _refusal(member, "stands where the top folder should be")
        self._place(member, path)
        return path

    def check_links(self) -> None:
        """Judge every link by where it finally leads. To be called when the tree is complete."""
        for path in self.links:
            self._resolve(path, depth=0)

    def linked_file(self, member: Member) -> str:
        """Return the path of the earlier file that a hard link names."""
        top, _slash, path = member.target.partition("/")
        if top != self.top_folder or path not in self._file_sizes:
            raise _refusal(member, f"is a hard link to {_quoted(member.target)}, which is no earlier file of the tree")
        return path

    def _check_limits(self, member: Member) -> None:
        self._count_entry()
        self.unpacked_bytes += member.size
        self._name_bytes += len(member.name) + len(member.target)
        if self._name_bytes > self.limits.max_entries * _NAME_BYTES_PER_ENTRY + _SLACK_BYTES:
            raise OverLimit(f"The source archive's {self.entries} names are far too long together.")
        self._check_bytes()

    def _count_entry(self) -> None:
        self.entries += 1
        if self.entries > self.limits.max_entries:
            raise OverLimit(
                f"The source archive holds more than {self.limits.max_entries} files and folders, "
                "which is as many as this service unpacks."
            )

    def _check_bytes(self) -> None:
        if self.unpacked_bytes > self.limits.max_unpacked_bytes:
            raise OverLimit(
                f"The source archive unpacks to more than {self.limits.max_unpacked_bytes} bytes, "
                "which is as much as this service unpacks."
            )

    def _place(self, member: Member, path: str) -> None:
        self._make_parents(member, path)
        if member.type == tarfile.DIRTYPE and path in self.folders:
            return
        if path in self.folders or path in self._file_sizes or path in self.links:
            raise _refusal(member, "occurs twice")
        if member.type == tarfile.DIRTYPE:
            self.folders.add(path)
        elif member.type == tarfile.SYMTYPE:
            self._check_link_text(member)
            self.links[path] = member.target
        elif member.type == tarfile.LNKTYPE:
            # The build's context holds its bytes once more: a thousand links to one big file are a bomb, too.
            self._file_sizes[path] = self._file_sizes[self.linked_file(member)]
            self.unpacked_bytes += self._file_sizes[path]
            self._check_bytes()
        else:
            self._file_sizes[path] = member.size

    def _make_parents(self, member: Member, path: str) -> None:
        """Parents need no entry of their own; those without one count as if they had."""
        parent = path.rpartition("/")[0]
        while parent not in self.folders:
            if parent in self.links or parent in self._file_sizes:
                raise _refusal(member, f"lies below {_quoted(parent)}, which is no folder")
            self._count_entry()
            self._name_bytes += len(parent)
            self.folders.add(parent)
            parent = parent.rpartition("/")[0]

    def _check_link_text(self, member: Member) -> None:
        if member.target.startswith("/"):
            raise _refusal(member, f"is a link to {_quoted(member.target)}, which leads out of the tree")
        if not member.target or not _is_printable_text(member.target):
            raise _refusal(member, f"is a link to {_quoted(member.target)}, which is no name a file can have")
        if len(os.fsencode(member.target)) > _LONGEST_NAME_BYTES:
            raise _refusal(member, f"is a link to a name of more than {_LONGEST_NAME_BYTES} bytes")

    def _resolve(self, path: str, depth: int) -> str:
        """Return where a link leads, every link on the way followed; where it leads round in a circle, itself.

        Names that do not exist are walked like folders: something may make them later. Each link is walked once,
        so chains that double at every step cost no more than their text.
        """
        if path in self._resolved:
            return self._resolved[path]
        if depth > _LONGEST_CHAIN:
            raise _refusal(path, f"is a link that leads through more than {_LONGEST_CHAIN} others")
        self._resolved[path] = path  # met again on its own way: a circle, which leads nowhere
        at = path.rpartition("/")[0]
        for part in self.links[path].split("/"):
            if part == "..":
                if not at:
                    raise _refusal(path, f"is a link to {_quoted(self.links[path])}, which leads out of the tree")
                at = at.rpartition("/")[0]
            elif part not in ("", "."):
                at = f"{at}/{part}" if at else part
                at = self._resolve(at, depth + 1) if at in self.links else at
                if len(at) > 2 * _LONGEST_NAME_BYTES:
                    raise _refusal(path, "is a link to a place whose name is far too long")
        self._resolved[path] = at
        return at


def _check_name(member: Member) -> None:
    if member.type in _REFUSED_TYPES:
        raise _refusal(member, f"is {_REFUSED_TYPES[member.type]}")
    if member.type not in REGULAR_TYPES | {tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE}:
        raise _refusal(member, "is of a kind that no source needs")
    if member.name.startswith("/"):
        raise _refusal(member, "has an absolute name")
    parts = member.name.split("/")
    if ".." in parts:
        raise _refusal(member, "has a name that leads out of the tree")
    if "" in parts or "." in parts:
        raise _refusal(member, "has a name that GitHub would not write")
    if not _is_printable_text(member.name):
        raise _refusal(member, "has a name with control characters or bytes that are no UTF-8")
    sizes = [len(part.encode()) for part in parts]
    if max(sizes) > _LONGEST_PART_BYTES or sum(sizes) + len(sizes) > _LONGEST_NAME_BYTES or len(parts) > _DEEPEST:
        raise _refusal(member, "has a name that is too long or too deep")


def _is_printable_text(text: str) -> bool:
    """Whether it has no control characters, line breaks of any alphabet, or surrogates (undecodable bytes)."""
    return text.isprintable() or not any(unicodedata.category(c) in ("Cc", "Zl", "Zp", "Cs") for c in text)


def _refusal(entry: Member | str, reason: str) -> SourceRefused:
    name = entry if isinstance(entry, str) else entry.name
    return SourceRefused(f"The source archive's entry {_quoted(name)} {reason}; remove it from the repository.")


def _quoted(name: str) -> str:
    quoted = repr(name)  # escapes whatever could move a terminal's cursor
    return quoted if len(quoted) <= _QUOTED else f"{quoted[:_QUOTED]}…'"
