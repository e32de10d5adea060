"""The rules for a source tree: what it may hold, however an archive spells it.

Names and links are bytes, and links may lead anywhere: they are made last and nothing of ours follows them out of the
tree. Refused is what could harm this host, as far as the build needs it, and what no archive of a git tree holds: a
name that stands for two things, or something that lies below a link.
"""

import os
import tarfile
from dataclasses import dataclass

from activities.source.tarball import REGULAR_TYPES, Member, OverLimit
from activities.source.wanted import EVERYTHING, Wanted
from models.rules.errors.source import SourceRefused

_LONGEST_NAME_BYTES = 2048  # half of Linux's limit: the folder it is unpacked below has a name, too
_LONGEST_PART_BYTES = 255  # what file systems take between two slashes
_DEEPEST = 250
_LONGEST_TARGET_BYTES = 4095  # what Linux takes
_NAME_BYTES_PER_ENTRY = 256  # on average, with link targets: bounds what the index of names takes in memory
_SLACK_BYTES = 1024 * 1024
_QUOTED = 120
_LARGEST_DOCKERFILE = 64 * 1024  # of another product, unpacked only to be named
PASSED_OVER = 8  # times the limits: how much of an archive may be read for the sake of the part that is wanted

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


class HardLinkMet(Exception):
    """A part of the tree does not stand alone: the file that a hard link names may lie in another."""


class SourceTree:
    """The tree that the members seen so far make, and the rules it must keep. `links` are all those of the source."""

    def __init__(self, limits: ArchiveLimits, wanted: Wanted = EVERYTHING) -> None:
        self.limits = limits
        self.top_folder = ""
        self.entries = 0
        self.unpacked_bytes = 0
        self.links: dict[str, str] = {}
        self.folders = {""}
        self._wanted = wanted
        self._file_sizes: dict[str, int] = {}
        self._name_bytes = 0
        self._passed_over = 0

    def add(self, member: Member) -> str | None:
        """Take one member in and return its path below the top folder; None when no build needs it.

        Raises SourceRefused, and HardLinkMet unless everything is wanted.
        """
        _check_name(member)
        top, _slash, path = member.name.partition("/")
        self.top_folder = self.top_folder or top
        if top != self.top_folder:
            raise _refusal(member, "lies outside the one top folder that GitHub's archives have")
        if not path and member.type != tarfile.DIRTYPE:
            raise _refusal(member, "stands where the top folder should be")
        is_small_file = member.type in REGULAR_TYPES and member.size <= _LARGEST_DOCKERFILE
        if path and not self._wanted.holds(path, is_small_file=is_small_file):
            self._pass_over(member, path)
            return None
        if member.type == tarfile.LNKTYPE and not self._wanted.is_all:
            raise HardLinkMet  # git knows none, so this costs nobody
        self._check_limits(member)
        self._place(member, path)
        return path

    def _pass_over(self, member: Member, path: str) -> None:
        self._passed_over += 1
        if self._passed_over > PASSED_OVER * self.limits.max_entries:
            raise OverLimit(
                f"The source archive holds more than {self._passed_over - 1} files and folders beside the build's own."
            )
        if member.type == tarfile.SYMTYPE:
            if path in self.folders or path in self.links:
                raise _refusal(member, "occurs twice")
            self._count_name(member)
            self.links[path] = member.target

    def linked_file(self, member: Member) -> str:
        """Return the path of the earlier file or link that a hard link names."""
        top, _slash, path = member.target.partition("/")
        if top != self.top_folder or (path not in self._file_sizes and path not in self.links):
            raise _refusal(member, f"is a hard link to {_quoted(member.target)}, which is no earlier file of the tree")
        return path

    def _check_limits(self, member: Member) -> None:
        _check_kind(member)
        self._count_entry()
        self.unpacked_bytes += member.size
        self._count_name(member)
        self._check_bytes()

    def _count_name(self, member: Member) -> None:
        self._name_bytes += len(member.name) + len(member.target)
        if self._name_bytes > self.limits.max_entries * _NAME_BYTES_PER_ENTRY + _SLACK_BYTES:
            raise OverLimit(f"The source archive's {self.entries} names are far too long together.")

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
            _check_link_text(member)
            self.links[path] = member.target
        elif member.type == tarfile.LNKTYPE and (linked := self.linked_file(member)) in self.links:
            self.links[path] = self.links[linked]
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


def _check_link_text(member: Member) -> None:
    if not member.target or "\0" in member.target:
        raise _refusal(member, f"is a link to {_quoted(member.target)}, which is no name a file can have")
    if len(os.fsencode(member.target)) > _LONGEST_TARGET_BYTES:
        raise _refusal(member, f"is a link to a name of more than {_LONGEST_TARGET_BYTES} bytes")


def _check_kind(member: Member) -> None:
    if member.type in _REFUSED_TYPES:
        raise _refusal(member, f"is {_REFUSED_TYPES[member.type]}")
    if member.type not in REGULAR_TYPES | {tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE}:
        raise _refusal(member, "is of a kind that no source needs")


def _check_name(member: Member) -> None:
    if member.name.startswith("/"):
        raise _refusal(member, "has an absolute name")
    parts = member.name.split("/")
    if ".." in parts:
        raise _refusal(member, "has a name that leads out of the tree")
    if "" in parts or "." in parts or "\0" in member.name:
        raise _refusal(member, "has a name that GitHub would not write")
    sizes = [len(os.fsencode(part)) for part in parts]
    if max(sizes) > _LONGEST_PART_BYTES or sum(sizes) + len(sizes) > _LONGEST_NAME_BYTES or len(parts) > _DEEPEST:
        raise _refusal(member, "has a name that is too long or too deep")


def _refusal(entry: Member | str, reason: str) -> SourceRefused:
    name = entry if isinstance(entry, str) else entry.name
    return SourceRefused(f"The source archive's entry {_quoted(name)} {reason}; remove it from the repository.")


def _quoted(name: str) -> str:
    quoted = repr(name)  # escapes whatever could move a terminal's cursor
    return quoted if len(quoted) <= _QUOTED else f"{quoted[:_QUOTED]}…'"
