"""Waiting for a condition instead of for a time."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

Seen = TypeVar("Seen")

_LOOK_EVERY_SECONDS = 0.02
_PATIENCE_SECONDS = 30.0


async def eventually(look: Callable[[], Awaitable[Seen]], is_right: Callable[[Seen], object] = bool) -> Seen:
    """Look until what is seen is right, and return it; fail with what was seen last."""
    deadline = asyncio.get_running_loop().time() + _PATIENCE_SECONDS
    while True:
        seen = await look()
        if is_right(seen):
            return seen
        if asyncio.get_running_loop().time() > deadline:
            raise AssertionError(f"after {_PATIENCE_SECONDS:.0f} seconds it is still {seen!r}")
        await asyncio.sleep(_LOOK_EVERY_SECONDS)
