"""Following links below a folder as an engine does, as if that folder were the root of all: nothing outside is seen."""

import errno
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_MOST_LINKS = 255  # as many as BuildKit follows on one way
_MOST_PARTS = 2048  # no path that exists is deeper; links may pile up more, which would cost much time to walk
_NOTHING_THERE = {errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP}


@dataclass(frozen=True)
class Way:
    """Where a path leads: `end` holds no link, and is None for a circle, which no way ends; `links` are those met.

    `led_out` is the first link that leads out of the root, by `..` or an absolute target; the engine, for which there
    is no outside, takes its target from the root.
    """

    end: str | None
    led_out: str | None
    links: tuple[str, ...]


@dataclass(frozen=True)
class Followed:
    """A way on disk: `place` is None when there is nothing at its end."""

    place: Path | None
    led_out: str | None
    links: tuple[str, ...]
    is_circle: bool


def way(path: str, target_of: Callable[[str], str | None]) -> Way:
    """Follow a path through links; `target_of` says what the link at a path says, and None where there is none."""
    at: list[str] = []
    ahead = path.split("/")[::-1]
    links: list[str] = []
    led_out: str | None = None
    while ahead:
        part = ahead.pop()
        if part in ("", "."):
            continue
        if part == "..":
            led_out = led_out or (None if at else links[-1] if links else path)
            del at[-1:]
            continue
        at.append(part)
        if len(at) > _MOST_PARTS:
            return Way(None, led_out, tuple(links))
        target = target_of("/".join(at))
        if target is None:
            continue
        links.append("/".join(at))
        if len(links) > _MOST_LINKS:
            return Way(None, led_out, tuple(links))
        del at[-1:]
        if target.startswith("/"):
            led_out = led_out or links[-1]
            at.clear()
        ahead += target.split("/")[::-1]
    return Way("/".join(at), led_out, tuple(links))


def follow(root: Path, path: str) -> Followed:
    """Follow every link on the way to `path`, which lies below the folder `root`. Blocks."""
    found = way(path, lambda link: _target(root / link))
    place = None if found.end is None or not os.path.lexists(root / found.end) else root / found.end
    return Followed(place, found.led_out, found.links, is_circle=found.end is None)


def link_text(place: Path) -> str:
    """Return what a link says, letter by letter."""
    return os.readlink(place)  # noqa: PTH115 - pathlib makes `./a//b/` of its own accord `a/b`


def _target(place: Path) -> str | None:
    """Return what a link says, None for all else and for what is not there."""
    try:
        return link_text(place) if stat.S_ISLNK(place.lstat().st_mode) else None
    except OSError as error:
        if error.errno not in _NOTHING_THERE:
            raise
        return None
