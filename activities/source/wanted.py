"""What of a source a build needs: its context, its Dockerfile, and the few files that say something about them.

A repository may hold a hundred products. Of the others' files neither the number nor the size nor an oddity counts.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from activities.source.links import way

_ATTRIBUTES = ".gitattributes"
_MODULES = ".gitmodules"
_IGNORE_FILE = ".dockerignore"
_DOCKERFILE = "dockerfile"


@dataclass(frozen=True)
class Wanted:
    """Folders with all they hold, and single files or links, as paths in the source; "" is the whole of it."""

    folders: frozenset[str] = frozenset([""])
    files: frozenset[str] = frozenset()

    @property
    def is_all(self) -> bool:
        return "" in self.folders

    def holds(self, path: str, *, is_small_file: bool) -> bool:
        """Say whether a build needs what lies at `path`. Every Dockerfile is wanted, to be named where one misses."""
        if self.is_all or path in self.files or path in self.folders:
            return True
        if is_small_file and _DOCKERFILE in path.rpartition("/")[2].lower():
            return True
        end = path.find("/")
        while end > 0:
            if path[:end] in self.folders:
                return True
            end = path.find("/", end + 1)
        return False

    def with_targets(self, links: Mapping[str, str]) -> "Wanted":
        """Return what is wanted when these are all the links of the source: also what they lead to from here."""
        if self.is_all:
            return self
        folders = [way(path, links.get) for path in self.folders]
        files = [way(path, links.get) for path in self.files]
        met = {link for found in (*folders, *files) for link in found.links}
        return Wanted(
            self.folders | {found.end for found in folders if found.end is not None},
            self.files | {found.end for found in files if found.end is not None} | met,
        )


EVERYTHING = Wanted()


def wanted_for(dockerfile_path: str, context_path: str | None) -> Wanted:
    """Return what a build needs that reads this Dockerfile and copies from this folder, as far as paths tell."""
    dockerfile = PurePosixPath(dockerfile_path)
    context = PurePosixPath(context_path) if context_path is not None else dockerfile.parent
    beside = {dockerfile.as_posix(), f"{dockerfile.as_posix()}{_IGNORE_FILE}", _MODULES}
    above = {folder for path in (dockerfile, context / "x") for folder in path.parents}
    attributes = {(folder / _ATTRIBUTES).as_posix() for folder in above}
    name = context.as_posix()
    return Wanted(frozenset(["" if name == "." else name]), frozenset(beside | attributes))
