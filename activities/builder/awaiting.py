"""Watching a build of the engine's for what it waits for."""

import asyncio

from activities.ports.engine import EngineBuild, EngineOutcome
from activities.waiting import WaitNote

_LOOK_SECONDS = 1.0


async def result_of(build: EngineBuild, note: WaitNote) -> EngineOutcome:
    """Wait for the build's end as its result() does, and tell meanwhile what it awaits from elsewhere."""
    result = asyncio.ensure_future(build.result())
    try:
        while not (await asyncio.wait({result}, timeout=_LOOK_SECONDS))[0]:
            if (awaits := build.awaits) is not None:
                await note.tell(awaits)
            else:
                await note.clear()
        return result.result()
    finally:
        result.cancel()
