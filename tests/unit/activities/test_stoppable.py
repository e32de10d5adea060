import asyncio
import threading

import pytest

from activities.stoppable import Progress, run_stoppable


async def test_blocking_work_brings_its_result_and_its_progress() -> None:
    beats: list[int] = []

    def work(progress: Progress) -> str:
        for done in (1, 2, 3):
            progress(done)
        return "unpacked"

    assert await run_stoppable(work, beats.append) == "unpacked"
    assert beats == [1, 2, 3]


async def test_what_the_work_raises_reaches_the_caller() -> None:
    def work(_progress: Progress) -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        await run_stoppable(work, lambda _done: None)


class EndlessWork:
    """Works until it is told to stop; `has_left` is set when its thread has left it."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.may_leave = threading.Event()
        self.has_left = threading.Event()
        self._loop = asyncio.get_running_loop()

    def __call__(self, progress: Progress) -> None:
        try:
            self._loop.call_soon_threadsafe(self.begun.set)
            while True:
                progress(0)
        finally:
            self.may_leave.wait(20)
            self.has_left.set()


async def test_cancelled_work_has_left_its_thread_when_the_caller_goes_on() -> None:
    work = EndlessWork()
    work.may_leave.set()
    caller = asyncio.create_task(run_stoppable(work, lambda _done: None))
    await work.begun.wait()
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert work.has_left.is_set()


async def test_a_caller_that_is_cancelled_twice_still_waits_for_the_thread() -> None:
    work = EndlessWork()
    caller = asyncio.create_task(run_stoppable(work, lambda _done: None))
    await work.begun.wait()
    for _cancel in range(2):
        caller.cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert not caller.done()
    work.may_leave.set()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert work.has_left.is_set()


async def test_work_that_ends_before_it_sees_the_cancel_leaves_no_trace() -> None:
    may_end, begun = threading.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def work(_progress: Progress) -> None:
        loop.call_soon_threadsafe(begun.set)
        may_end.wait(20)

    caller = asyncio.create_task(run_stoppable(work, lambda _done: None))
    await begun.wait()
    caller.cancel()
    await asyncio.sleep(0)
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await caller
