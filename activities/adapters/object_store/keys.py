"""What a key may be, in every store alike."""

import re

_KEY_PART = re.compile(r"[A-Za-z0-9._-]{1,255}")
_LONGEST_KEY = 1024


def parts_of(key: str) -> list[str]:
    """Return a key's parts; raise ValueError for one that could name something else."""
    parts = key.split("/")
    if len(key) > _LONGEST_KEY or not all(_KEY_PART.fullmatch(part) and part not in (".", "..") for part in parts):
        raise ValueError(f"no key of an object: {key[:_LONGEST_KEY]!r}")
    return parts
