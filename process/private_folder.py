"""What a process keeps on this host is its user's alone: private sources, logs of builds, what Temporal stores."""

from pathlib import Path

_NAME = ".slipway"
_ANYBODY = 0o007
_OPEN = 0o067  # anybody; a group may enter, as an embedded Postgres under a user of its own must, but not look around


def make_private(folder: Path) -> str:
    """Make a folder for its owner alone, or close one of ours; return what is wrong when others may still enter.

    Ours is one that bears our name, or holds nothing yet. Any other one may be shared with programs unknown to us.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        mode = folder.stat().st_mode
        if mode & _OPEN and (folder.resolve().name == _NAME or not any(folder.iterdir())):
            folder.chmod(0o700)
            return ""
    except OSError as error:
        return f"{folder} cannot be kept from other users of this host: {error.strerror}"
    if mode & _ANYBODY:
        return f"other users of this host may read {folder}, with sources and logs: run `chmod 700 {folder}`"
    return ""
