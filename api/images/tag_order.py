"""The order in which people look for tags: versions, then dates, then all else, each the newest first. Pure."""

import re
from collections.abc import Iterable

from semver import Version

# before a version or a date: words such as `release-` or `@scope/name@`, none of which begins with a digit, and `v`
_WORD = r"(?![vV][0-9])[A-Za-z][A-Za-z0-9]*"
_PREFIX = re.compile(rf"(?:@?(?:{_WORD}[-._/@])*?{_WORD}[-_/@])?(?P<v>[vV]?)(?=[0-9])", re.ASCII)
# a year by itself, with or without more behind it, or written together with month and day, and perhaps the time
_YEAR = r"(?:19[7-9][0-9]|20[0-9]{2})"
_DATE = re.compile(
    rf"(?P<year>{_YEAR})(?:(?![0-9])|(?P<month>0[1-9]|1[0-2])(?P<rest>(?:0[1-9]|[12][0-9]|3[01])?(?:[0-9]{{4}}){{0,2}}"
    r"(?:[0-9]{2})?)(?![0-9]))",
    re.ASCII,
)
_LEADING_ZEROS = re.compile(r"(?<![0-9])0+(?=[0-9])", re.ASCII)
_WORDS = re.compile(r"[^0-9]*", re.ASCII)
_TOKEN = re.compile(r"([0-9]+)|[A-Za-z]+", re.ASCII)
_LONGEST_VERSION = 255  # longer ones are nobody's versions, and costly to compare

Key = tuple[tuple[int, int, str], ...]
_END = (1, 0, "")


def in_order(names: Iterable[str]) -> list[str]:
    """Return the names of tags as people look for them.

    First versions by SemVer's precedence, the highest first; `v1` and `v1.2` count as `v1.0.0` and `v1.2.0`, and
    `release-7` is none. Then dates and versions that begin with a year, the newest first. Then all other names by the
    words that they begin with, and the highest number first among those. What is equal in this comes by name.
    """
    versions, dates, others = list[tuple[Version, str]](), list[tuple[Key, str]](), list[tuple[Key, str]]()
    for name in sorted(names):
        start = _PREFIX.match(name)
        text = name[start.end() :] if start is not None else ""
        date = _DATE.match(text)
        if date is not None:
            dates.append((_numbered(_spaced(text, date)), name))
        elif start is not None and (version := _version(text, is_marked=bool(start["v"]))) is not None:
            versions.append((version, name))
        else:
            others.append((_numbered(name), name))
    versions.sort(key=lambda pair: pair[0], reverse=True)
    for group in (dates, others):
        group.sort(key=lambda pair: pair[0], reverse=True)
    others.sort(key=lambda pair: _words(pair[1]))
    return [name for _key, name in (*versions, *dates, *others)]


def _version(text: str, *, is_marked: bool) -> Version | None:
    """Read a version; a single number is one only when it is marked by a `v`, else it counts something."""
    core = re.split(r"[-+]", text, maxsplit=1)[0]
    if len(text) > _LONGEST_VERSION or not (is_marked or "." in core):
        return None
    try:
        return Version.parse(_LEADING_ZEROS.sub("", core) + text[len(core) :], optional_minor_and_patch=True)
    except ValueError:
        return None


def _spaced(text: str, date: re.Match[str]) -> str:
    """Return a date whose numbers stand apart."""
    if date["month"] is None:
        return text
    return "-".join([date["year"], date["month"], *re.findall("..", date["rest"])]) + text[date.end() :]


def _words(name: str) -> str:
    """Return what stands before the first number."""
    found = _WORDS.match(name)
    return found[0] if found is not None else ""


def _numbered(name: str) -> Key:
    """Compare numbers as such, above the name's end, and that above words: 1.0 is newer than 1.0-beta."""
    found: list[tuple[int, int, str]] = []
    for token in _TOKEN.finditer(name):
        digits = token[1]
        # by length, then by digits: Python refuses to read numbers of thousands of digits
        plain = digits.lstrip("0") if digits is not None else token[0].lower()
        found.append((2, len(plain), plain) if digits is not None else (0, 0, plain))
    return (*found, _END)
