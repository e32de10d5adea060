"""What a Dockerfile says, as far as it helps to explain why an engine cannot build it. Pure; it judges nothing."""

import json
import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

_NOTHING = re.compile(r"\s*(?:#|\Z)")  # an empty line, or a comment
_DIRECTIVE = re.compile(r"#\s*(?P<name>[A-Za-z]\w*)\s*=\s*(?P<value>\S.*)")
_HEREDOC = re.compile(r"(?:^|\s)\d*<<(?P<tabs>-?)(?P<quote>[\"']?)(?P<word>[A-Za-z_][\w.-]*)(?P=quote)(?=\s|$)")
_WITH_HEREDOCS = frozenset({"RUN", "COPY", "ADD"})
_FLAG = re.compile(r"\s*--(?P<name>[a-z][a-z-]*)(?:=(?P<value>\S*))?(?=\s|$)")
_STAGE = re.compile(r"\s*(?P<image>\S+)(?:\s+AS\s+(?P<name>\S+))?\s*", re.IGNORECASE)


@dataclass(frozen=True)
class Instruction:
    """One instruction on the lines `first` to `last`, joined; `word` in capitals, `rest` is what follows the flags."""

    first: int
    last: int
    word: str
    flags: tuple[tuple[str, str], ...]
    rest: str
    heredocs: tuple[tuple[str, int], ...] = field(default=())  # the word of each, and the line where it ends

    def flag(self, name: str) -> str | None:
        return next((value for key, value in self.flags if key == name), None)

    @cached_property
    def sources(self) -> tuple[str, ...]:
        """What a COPY, an ADD or a bind mount takes, as written."""
        if self.word == "RUN":
            return tuple(source for mount in self.mounts if (source := mount.get("source") or mount.get("src")))
        try:
            words = json.loads(self.rest)
        except ValueError:
            words = self.rest.split()
        return tuple(word for word in words[:-1] if isinstance(word, str)) if isinstance(words, list) else ()

    @property
    def mounts(self) -> Sequence[dict[str, str]]:
        return [
            {key: value for key, _equals, value in (part.partition("=") for part in text.split(","))}
            for name, text in self.flags
            if name == "mount"
        ]

    @property
    def froms(self) -> tuple[str, ...]:
        """The stages or images that `--from=` or a mount's `from=` names."""
        named = [self.flag("from"), *(mount.get("from") for mount in self.mounts)]
        return tuple(name for name in named if name)

    @property
    def stage(self) -> tuple[str, str | None] | None:
        """A FROM's image, and what it calls its stage."""
        found = _STAGE.fullmatch(self.rest) if self.word == "FROM" else None
        return (found["image"], found["name"]) if found else None


class Dockerfile:
    def __init__(self, text: str) -> None:
        self._lines = text.removeprefix("\ufeff").splitlines()
        self.directives = dict(self._directives())
        self.instructions = tuple(self._instructions())

    def at(self, line: int) -> Instruction | None:
        return next((each for each in self.instructions if each.first <= line <= each.last), None)

    def heredoc_around(self, line: int) -> tuple[Instruction, str] | None:
        """Return the instruction and the word of the heredoc that the line is part of, the ending line too."""
        for each in self.instructions:
            begins = each.last
            for word, ends in each.heredocs:
                if begins < line <= ends:
                    return each, word
                begins = ends
        return None

    def _directives(self) -> Iterator[tuple[str, str]]:
        for line in self._lines:
            found = _DIRECTIVE.fullmatch(line.strip())
            if found is None:
                return
            yield found["name"].lower(), found["value"]

    def _instructions(self) -> Iterator[Instruction]:
        line = 0
        while line < len(self._lines):
            if _NOTHING.match(self._lines[line]):
                line += 1
                continue
            first, (text, line) = line + 1, self._joined(line)
            word, _space, rest = text.strip().partition(" ")
            last, heredocs = line, self._heredocs(word.upper(), rest, line)
            line = heredocs[-1][1] if heredocs else line
            yield _instruction(first, last, word, rest, heredocs)

    def _joined(self, line: int) -> tuple[str, int]:
        """Return the line with those that go on with it, and how many lines lie behind then."""
        escape = self.directives.get("escape", "\\")
        parts: list[str] = []
        goes_on = True
        while goes_on and line < len(self._lines):
            text = self._lines[line].rstrip()
            line += 1
            if not _NOTHING.match(text):
                parts.append(text.removesuffix(escape))
                goes_on = text.endswith(escape)
        return "".join(parts), line

    def _heredocs(self, word: str, rest: str, line: int) -> tuple[tuple[str, int], ...]:
        found = []
        for opened in _HEREDOC.finditer(rest) if word in _WITH_HEREDOCS else ():
            ends = self._places_without_tabs if opened["tabs"] else self._places
            places = ends.get(opened["word"], [])
            later = bisect_left(places, line)
            if later == len(places):
                break
            line = places[later] + 1
            found.append((opened["word"], line))
        return tuple(found)

    @cached_property
    def _places(self) -> dict[str, list[int]]:
        """Where each line stands, by its text: a heredoc's end is looked up, however many begin and never end."""
        return _places(self._lines)

    @cached_property
    def _places_without_tabs(self) -> dict[str, list[int]]:
        return _places(line.lstrip("\t") for line in self._lines)


def _places(lines: Iterable[str]) -> dict[str, list[int]]:
    places: dict[str, list[int]] = {}
    for place, line in enumerate(lines):
        places.setdefault(line, []).append(place)
    return places


def _instruction(first: int, last: int, word: str, rest: str, heredocs: tuple[tuple[str, int], ...]) -> Instruction:
    flags = []
    at = 0
    while flag := _FLAG.match(rest, at):
        flags.append((flag["name"], flag["value"] or ""))
        at = flag.end()
    return Instruction(first, last, word.upper(), tuple(flags), rest[at:].strip(), heredocs)
