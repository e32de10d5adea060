"""Blocking work in a thread that ends when its task is cancelled, instead of running on unseen."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

Result = TypeVar("Result")
Progress = Callable[[int], None]


class _Stopped(Exception):
    """Raised inside the thread, to leave the work."""


def _unheard(_done: int) -> None:
    return


async def run_stoppable(work: Callable[[Progress], Result], beat: Callable[[int], None] = _unheard) -> Result:
    """Run `work(progress)` in a thread. Each call of `progress` reaches `beat` on the loop, and ends cancelled work.

    A cancelled caller waits until the thread has left the work, so that what it writes may be removed afterwards.
    """
    loop = asyncio.get_running_loop()
    stop = threading.Event()

    def progress(done: int) -> None:
        if stop.is_set():
            raise _Stopped
        loop.call_soon_threadsafe(beat, done)

    thread = asyncio.ensure_future(asyncio.to_thread(work, progress))
    try:
        return await asyncio.shield(thread)
    except asyncio.CancelledError:
        stop.set()
        while not thread.done():
            with suppress(asyncio.CancelledError):  # a second cancel changes nothing: the thread is on its way out
                await asyncio.wait([thread])
        thread.exception()  # it is looked at: what the thread raised was asked for
        raise
