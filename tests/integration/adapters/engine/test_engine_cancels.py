"""A build ends in the engine when it is told to, and only then."""

import asyncio

import pytest

from models.rules.errors.engine import BuildCancelled
from tests.support.engine.engine_images import Workshop
from tests.support.processes import processes_with
from tests.support.waiting import until

BASE = "FROM busybox:1.36\n"


async def test_a_cancel_ends_the_steps_process(workshop: Workshop) -> None:
    seconds = str(int(workshop.marker[:10], 16) + 10**9)  # a number that no other process has
    build = await workshop.start(f"{BASE}RUN trap '' TERM INT; echo begun; sleep {seconds}; true\n")
    await until(lambda: b"\nbegun\n" in build.log_path.read_bytes() and bool(processes_with(seconds)))
    for _repeat in range(2):
        await build.cancel()
    with pytest.raises(BuildCancelled):
        await build.result()
    await until(lambda: not processes_with(seconds))


async def test_a_cancel_right_after_the_start_ends_the_build(workshop: Workshop) -> None:
    build = await workshop.start(f"{BASE}RUN sleep 600 # {workshop.marker}\n")
    await build.cancel()
    with pytest.raises(BuildCancelled):
        await build.result()


async def test_a_wait_that_is_cancelled_leaves_the_build_running(workshop: Workshop) -> None:
    build = await workshop.start(f"{BASE}RUN echo {workshop.marker}; sleep 0.3\n")
    waiting = asyncio.create_task(build.result())
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert (await build.result()).image_id == (await build.result()).image_id
