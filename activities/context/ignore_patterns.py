"""What a `.dockerignore` means: the patterns of Docker's reference.

docker-py has a matcher too, but it takes `build` for `BUILD`, knows neither `[^a]` nor a backslash, loses what
`!**/x` brings back below an ignored folder, and a file of many stars keeps it busy for ever.
"""

import codecs
import posixpath
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from models.rules.errors.source import IgnoreFileInvalid

MOST_BYTES = 128 * 1024
_LONGEST_PATTERN = 2048
_MOST_PATTERNS = 2000  # each is tried on each file
_MOST_VARIANTS = 16

_STAR = "*"  # any text without a slash
_FOLDERS = "**/"  # nothing, or any text that ends with a slash
_REST = "**"  # any text up to the end
_WILD = (_STAR, _FOLDERS, _REST)


@dataclass(frozen=True)
class IgnorePattern:
    """One line. `matches` takes a whole path below the context, without a slash at its start."""

    text: str
    brings_back: bool  # it began with "!"
    regex: re.Pattern[str]

    def matches(self, path: str) -> bool:
        return self.regex.fullmatch(path) is not None

    def may_match_below(self, folder: str) -> bool:
        """Whether something in the folder may match that the folder itself does not tell of."""
        literal = re.split(r"[*?\[\\]", self.text, maxsplit=1)[0]
        return literal.startswith(f"{folder}/") or (literal != self.text and f"{folder}/".startswith(literal))


class IgnoreRules:
    """The last pattern that matches a path, or a folder above it, decides."""

    def __init__(self, patterns: Sequence[IgnorePattern]) -> None:
        self._patterns = tuple(patterns)
        self._exceptions = tuple(pattern for pattern in patterns if pattern.brings_back)
        self.nothing_matched = (False,) * len(self._patterns)

    @classmethod
    def parse(cls, content: bytes, name: str) -> "IgnoreRules":
        """Read an ignore file called `name`. Raises IgnoreFileInvalid."""
        if len(content) > MOST_BYTES:
            raise IgnoreFileInvalid(f"{name} is larger than {MOST_BYTES} bytes; use fewer patterns.")
        # patterns are bytes, as names are: what is no UTF-8 becomes surrogates in both
        text = content.removeprefix(codecs.BOM_UTF8).decode("utf-8", "surrogateescape")
        patterns = []
        for number, line in enumerate(text.split("\n"), start=1):
            try:
                pattern = read_pattern(line)
            except ValueError as error:
                raise IgnoreFileInvalid(f"{name}, line {number}: {error} in {line.strip()[:100]!r}.") from error
            if pattern is not None:
                patterns.append(pattern)
        if len(patterns) > _MOST_PATTERNS:
            raise IgnoreFileInvalid(f"{name} has more than {_MOST_PATTERNS} patterns; use fewer.")
        return cls(patterns)

    def match(self, path: str, above: Sequence[bool]) -> tuple[bool, ...]:
        """Say which patterns match the path, given `above`, the answer for its folder (`nothing_matched` at the top).

        `ignores` takes the answer. It is handed down so that no path is compared with the folders above it again.
        """
        return tuple(hit or pattern.matches(path) for pattern, hit in zip(self._patterns, above, strict=True))

    def ignores(self, matched: Sequence[bool]) -> bool:
        for pattern, hit in zip(reversed(self._patterns), reversed(matched), strict=True):
            if hit:
                return not pattern.brings_back
        return False

    def leaves_out(self, path: str) -> bool:
        """Say of one path, beside no walk, whether it stays out of the context."""
        matched: Sequence[bool] = self.nothing_matched
        parts = path.split("/")
        for depth in range(1, len(parts) + 1):
            matched = self.match("/".join(parts[:depth]), matched)
        return self.ignores(matched)

    def may_bring_back_below(self, folder: str) -> bool:
        """Whether an ignored folder may still hold something that is not.

        Docker 20.10 asks so only of patterns without wild cards and loses what `!**/x` names there, against its
        own reference (docker/cli#2919).
        """
        return any(pattern.may_match_below(folder) for pattern in self._exceptions)


def read_pattern(line: str) -> IgnorePattern | None:
    """Read one line, None when it holds no pattern. Raises ValueError."""
    text = "" if line.startswith("#") else line.strip()
    brings_back = text.startswith("!")
    if brings_back:
        text = text[1:].strip()
        if not text:
            raise ValueError("'!' without a pattern")
    text = posixpath.normpath(text).lstrip("/") if text else ""
    if text in ("", "."):
        return None  # also for "/": the context itself cannot be ignored
    if len(text) > _LONGEST_PATTERN:
        raise ValueError(f"more than {_LONGEST_PATTERN} characters")
    alternatives = "|".join(_regex(variant) for variant in _variants(list(_tokens(text))))
    return IgnorePattern(text, brings_back, re.compile(alternatives, re.DOTALL))


def _tokens(text: str) -> Iterator[str]:
    """Split into wild cards and regular expressions of one character each."""
    at = 0
    while at < len(text):
        if text.startswith("**", at):
            at += 3 if text.startswith("/", at + 2) else 2
            yield _FOLDERS if at < len(text) else _REST
        elif text[at] == "*":
            at += 1
            yield _STAR
        elif text[at] == "[":
            end = _end_of_class(text, at)
            yield _character_class(text[at + 1 : end])
            at = end + 1
        elif text[at] == "\\":
            if at + 1 == len(text):
                raise ValueError("a backslash with nothing behind it")
            yield re.escape(text[at + 1])
            at += 2
        else:
            yield "[^/]" if text[at] == "?" else re.escape(text[at])
            at += 1


def _end_of_class(text: str, start: int) -> int:
    at = start + 1
    while at < len(text) and text[at] != "]":
        at += 2 if text[at] == "\\" else 1
    if at >= len(text):
        raise ValueError("'[' without ']'")
    return at


def _character_class(inside: str) -> str:
    negated = inside.startswith("^")
    members = re.findall(r"\\.|.", inside[1:] if negated else inside, re.DOTALL)
    ranges = []
    while members:
        low = members.pop(0)
        if low == "-":
            raise ValueError("a range without a beginning")
        high = low
        if members and members[0] == "-":
            if len(members) == 1 or members[1] == "-":
                raise ValueError("a range without an end")
            high = members[1]
            del members[:2]
        if high[-1] < low[-1]:
            raise ValueError("a range that runs backwards")
        ranges.append(f"{re.escape(low[-1])}-{re.escape(high[-1])}")
    if not ranges:
        raise ValueError("'[]' without characters")
    return f"[{'^' if negated else ''}{''.join(ranges)}]"


def _variants(tokens: list[str]) -> list[list[str]]:
    """Resolve each `**` in the middle of a name, `a**b`, into what it stands for: `ab` or `a*/**/b`."""
    variants: list[list[str]] = [[]]
    for token in tokens:
        for variant in list(variants):
            if token == _FOLDERS and variant and variant[-1] not in ("/", _FOLDERS):
                variants.append([*variant, _STAR, "/", _FOLDERS])
            elif token != _FOLDERS or not variant or variant[-1] != _FOLDERS:
                variant.append(token)
        if len(variants) > _MOST_VARIANTS:
            raise ValueError("too many '**' in the middle of names")
    return variants


def _regex(tokens: list[str]) -> str:
    """Write tokens as an expression that takes linear steps back, not one for every way to share text among stars.

    Between two wild cards of a kind the first place that fits is as good as any later one, since the second wild card
    can take up whatever lies between; `(?>…)` tells the engine so.
    """
    runs = _split(tokens, _FOLDERS)
    written = [_written_run(run) for run in runs]
    middle = "".join(f"(?>(?:.*?/)??{run})" for run in written[1:-1])
    last = f"(?:.*/)?{written[-1]}" if len(runs) > 1 else ""
    return f"{written[0]}{middle}{last}"


def _written_run(tokens: list[str]) -> str:
    rest = ".*" if tokens and tokens[-1] == _REST else ""
    pieces = ["".join(piece) for piece in _split([token for token in tokens if token != _REST], _STAR)]
    middle = "".join(f"(?>[^/]*?{piece})" for piece in pieces[1:-1])
    last = f"[^/]*{pieces[-1]}" if len(pieces) > 1 else ""
    return f"{pieces[0]}{middle}{last}{rest}"


def _split(tokens: list[str], separator: str) -> list[list[str]]:
    parts: list[list[str]] = [[]]
    for token in tokens:
        if token == separator:
            parts.append([])
        else:
            parts[-1].append(token)
    return parts
