"""How repositories, tags and commits are spelled at GitHub: what does not look so never becomes part of a URL."""

import re

from models.rules.errors.request import RequestInvalid

_REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}/(?!\.{1,2}\Z)[A-Za-z0-9._-]{1,100}")
_SHA = re.compile(r"[0-9a-f]{40}")
# what `git check-ref-format` allows: no "..", so that no tag can leave its place in a URL's path
_TAG = re.compile(
    r"(?!.*(?:\.\.|//|@\{|/\.|\.lock(?:/|\Z)))(?![/.])[^\x00-\x20\x7f~^:?*\[\\\ud800-\udfff]{1,255}(?<![/.])"
)


def is_repository(repo: str) -> bool:
    return _REPOSITORY.fullmatch(repo) is not None


def is_tag(name: str) -> bool:
    return _TAG.fullmatch(name) is not None


def checked_sha(sha: str) -> str:
    """Return `sha`. Raises RequestInvalid unless it is a full one."""
    if not _SHA.fullmatch(sha):
        raise RequestInvalid(f"{sha!r} is no full commit sha; give its 40 hexadecimal digits.")
    return sha
