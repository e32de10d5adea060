"""Waits for what threads and processes bring about."""

import asyncio
import itertools
from collections.abc import Callable


async def until(condition: Callable[[], bool]) -> None:
    """Wait for the condition; the test's own time limit ends a wait in vain."""
    for _look in itertools.count():
        if condition():
            return
        await asyncio.sleep(0.01)
