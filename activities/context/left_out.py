"""What GitHub's archives leave out of a repository, as far as they tell: `export-ignore`, and submodules.

git has no library that reads attributes of a mere folder, and those that read its patterns take exponential time on
hostile stars; they mean what `.dockerignore` patterns mean but for where they are anchored.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath

from activities.context.ignore_patterns import MOST_BYTES, IgnorePattern, read_pattern
from activities.source.links import follow

_ATTRIBUTES = ".gitattributes"
_MODULES = ".gitmodules"
_MOST_RULES = 500
_MOST_MODULES = 200
_MODULE_PATH = re.compile(r'^[ \t]*path[ \t]*=[ \t]*"?([^"\r\n]+?)"?[ \t]*\r?$', re.MULTILINE)


@dataclass(frozen=True)
class ExportRule:
    """One line of a .gitattributes that sets `export-ignore` or takes it back. Its folder is "" at the top."""

    folder: str
    line: int
    text: str
    sets: bool
    wants_folder: bool
    pattern: IgnorePattern

    @property
    def place(self) -> str:
        return f"{f'{self.folder}/' if self.folder else ''}{_ATTRIBUTES}, line {self.line},"

    def matches(self, path: str, *, is_folder: bool) -> bool:
        below = _below(path, self.folder)
        return below is not None and (is_folder or not self.wants_folder) and self.pattern.matches(below)

    def may_concern(self, folder: str) -> bool:
        """Say whether it may match the folder, one above it, or something in it."""
        below = _below(folder, self.folder)
        if not below:
            return True
        return self.pattern.may_match_below(below) or any(self.pattern.matches(above) for above in _prefixes(below))


def export_rules(root: Path, folder: str) -> list[ExportRule]:
    """Return the rules on the way from the source's top to a folder of it, later ones winning. Blocks."""
    folders = ["", *_prefixes(folder)]
    return list(islice((rule for each in folders for rule in _rules_in(root, each)), _MOST_RULES))


def rule_against(root: Path, path: str) -> ExportRule | None:
    """Return the rule that keeps this file, or a folder above it, out of GitHub's archives, if there is one. Blocks."""
    rules = export_rules(root, path.rpartition("/")[0])
    for part in _prefixes(path):
        matching = [rule for rule in rules if rule.matches(part, is_folder=part != path)]
        if matching and matching[-1].sets:
            return matching[-1]
    return None


def submodules(root: Path) -> list[str]:
    """Return the paths of the repository's submodules. Blocks."""
    found = [PurePosixPath(path) for path in _MODULE_PATH.findall(_text(root, _MODULES))[:_MOST_MODULES]]
    return [path.as_posix() for path in found if path.name and not path.is_absolute() and ".." not in path.parts]


def why_missing(root: Path, path: str) -> str:
    """Return a sentence, behind a space, that tells why GitHub's archive lacks a file; "" when it does not tell."""
    rule = rule_against(root, path)
    if rule is not None:
        return (
            f" GitHub's archives leave it out, whatever GitHub shows: {rule.place} marks {rule.text!r} export-ignore;"
            " drop that line and move the tag."
        )
    for module in submodules(root):
        if _below(path, module) is not None:
            return f" It would lie in the submodule {module!r}, which GitHub's archives leave empty."
    return ""


def _rules_in(root: Path, folder: str) -> Iterator[ExportRule]:
    for number, line in enumerate(_text(root, f"{folder}/{_ATTRIBUTES}").split("\n"), start=1):
        text, attributes = _parted(line.strip())
        settings = [word for word in attributes if word.lstrip("-!") == "export-ignore"]
        pattern = _pattern(text) if settings else None
        if pattern is not None:
            yield ExportRule(folder, number, text, settings[-1][0] == "e", text.endswith("/"), pattern)


def _parted(line: str) -> tuple[str, list[str]]:
    """Part a line into its pattern, which may be quoted, and its attributes."""
    if line.startswith('"'):
        text, _quote, rest = line[1:].partition('"')
        return text, rest.split()
    words = line.split()
    return (words[0], words[1:]) if words else ("", [])


def _pattern(text: str) -> IgnorePattern | None:
    """Return what git means; None for what is no pattern of a file, and for what nobody can match."""
    if not text or text.startswith(("#", "!", "[attr]")):
        return None
    is_anchored = "/" in text.rstrip("/")
    try:
        return read_pattern((text if is_anchored else f"**/{text}").replace("[!", "[^"))
    except ValueError:
        return None


def _text(root: Path, path: str) -> str:
    place = follow(root, path).place
    if place is None or not place.is_file():
        return ""
    with place.open("rb") as file:
        return file.read(MOST_BYTES).decode("utf-8", "surrogateescape")


def _prefixes(path: str) -> list[str]:
    parts = [part for part in path.split("/") if part not in ("", ".")]
    return ["/".join(parts[:depth]) for depth in range(1, len(parts) + 1)]


def _below(path: str, folder: str) -> str | None:
    """Return a path as seen from a folder, None when it lies elsewhere."""
    if not folder or path == folder:
        return path if not folder else ""
    return path.removeprefix(f"{folder}/") if path.startswith(f"{folder}/") else None
