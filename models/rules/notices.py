"""What a person should know of a build that went on: sentences, few and short."""

from collections.abc import Iterable

_MOST = 20
_LONGEST = 500


def gathered(notices: Iterable[str | None]) -> list[str]:
    """Return each sentence once, in the order they came, within what a row may hold."""
    found = dict.fromkeys(_bounded(notice) for notice in notices if notice)
    return list(found)[:_MOST]


def _bounded(notice: str) -> str:
    return notice if len(notice) <= _LONGEST else f"{notice[: _LONGEST - 1]}…"
