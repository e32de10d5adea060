"""Following links below a folder as an engine does, as if that folder were the root of all: nothing outside is seen."""

import errno
import os
import stat
from dataclasses import dataclass
from pathlib import Path

_MOST_LINKS = 255  # as many as BuildKit follows on one way
_NOTHING_THERE = {errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP}


@dataclass(frozen=True)
class Followed:
    """Where a path finally lies: `place` holds no link, and is None when there is nothing or a circle.

    `led_out` is the first link that leads out of the root, by `..` or an absolute target; the engine, for which there
    is no outside, takes its target from the root.
    """

    place: Path | None
    led_out: str | None


def follow(root: Path, path: str) -> Followed:
    """Follow every link on the way to `path`, which lies below the folder `root`. Blocks."""
    at: list[str] = []
    ahead = path.split("/")[::-1]
    links_met = 0
    led_out: str | None = None
    link = path
    while ahead:
        part = ahead.pop()
        if part == ".." and not at:
            led_out = led_out or link
        elif part == "..":
            at.pop()
        elif part not in ("", "."):
            target = _target(root.joinpath(*at, part))
            if target is None:
                at.append(part)
                continue
            links_met += 1
            if links_met > _MOST_LINKS or target == "":
                return Followed(None, led_out)
            link = "/".join([*at, part])
            if target.startswith("/"):
                led_out = led_out or link
                at.clear()
            ahead += target.split("/")[::-1]
    place = root.joinpath(*at)
    return Followed(place if os.path.lexists(place) else None, led_out)


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
