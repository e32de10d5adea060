"""Heartbeats by the clock, for short activities whose every step has a timeout of its own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from temporalio import activity

_EVERY_SECONDS = 2.0


@asynccontextmanager
async def beating() -> AsyncIterator[None]:
    """Beat while the body runs, so that the death of its worker is noticed within the heartbeat's timeout."""
    beats = asyncio.create_task(_beat())
    try:
        yield
    finally:
        beats.cancel()
        with suppress(asyncio.CancelledError):
            await beats


async def _beat() -> None:
    while True:
        activity.heartbeat()
        await asyncio.sleep(_EVERY_SECONDS)
