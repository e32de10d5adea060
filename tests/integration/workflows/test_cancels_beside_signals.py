"""A cancel that Temporal has acknowledged ends the build, whatever else reaches its run in the same task."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest
import pytest_asyncio
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowExecutionStatus

from activities.adapters.temporal import connect
from models.rules.build_lifecycle import BuildStatus, Wish
from models.rules.build_payloads import Checkpoint
from models.rules.errors.engine import DockerBuildFailed
from tests.support.builds.build_rows import RowNow
from tests.support.builds.build_trials import (
    RunsWithLimits,
    Trial,
    Trials,
    events_of,
    running_runs,
    running_stages,
    temporal_server,
)
from tests.support.eventually import eventually
from tests.support.fakes.build_rows import FakeBuildRows
from tests.support.fakes.stages import FakeStages, Gate, fails

BROKEN = DockerBuildFailed("Docker build failed: exit code 1.")
SIGNALS = ["poke", "resume", "pause", "unpause", "cancel"] * 4


@dataclass(frozen=True)
class Crowd(Trials):
    """The worker of runs stops and starts again, so that what happens meanwhile reaches a run in one task."""

    rows: FakeBuildRows

    async def gather(self, begin: "Beginning") -> list[Trial]:
        return await asyncio.gather(*(begin(self) for _signal in SIGNALS))

    async def all_end_cancelled(self, builds: list[Trial]) -> None:
        async with running_runs(self.client, self.rows):
            await asyncio.gather(*(eventually(build.row, is_cancelled) for build in builds))
            # an unpause on its way to the row may start one more run, which finds its build ended
            ends = await asyncio.gather(*(build.ends() for build in builds))
        assert set(ends) <= {WorkflowExecutionStatus.CANCELED, WorkflowExecutionStatus.COMPLETED}


Beginning = Callable[[Crowd], Awaitable[Trial]]


def is_cancelled(row: RowNow) -> bool:
    return row.status == BuildStatus.CANCELLED or (row.status == BuildStatus.FAILED and row.is_closed)


@pytest_asyncio.fixture(scope="module")
async def crowd(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Crowd]:
    async with temporal_server(tmp_path_factory.mktemp("temporal")) as server:
        client = await connect(lazy=False, address=server.address)
        runs = RunsWithLimits(client)
        rows = FakeBuildRows(runs)
        stages = FakeStages(rows)
        async with running_stages(client, stages):
            yield Crowd(client, rows, stages, runs)


async def ordered(crowd: Crowd) -> Trial:
    return await crowd.begin()


async def parked(crowd: Crowd) -> Trial:
    build = await crowd.begin(resolve_tag=fails(BROKEN))
    await build.becomes(BuildStatus.FAILED)
    await build.is_parked()
    return build


async def paused(crowd: Crowd) -> Trial:
    gate = Gate()
    build = await crowd.begin(fetch_source=gate)
    await build.goes_through(gate)
    await build.wish(Wish.PAUSE)
    gate.may_end.set()
    await build.is_held(40)
    return build


@pytest.mark.parametrize("begin", [parked, paused])
async def test_a_cancel_that_comes_with_a_signal_to_a_waiting_build_ends_it(crowd: Crowd, begin: Beginning) -> None:
    async with running_runs(crowd.client, crowd.rows):
        builds = await crowd.gather(begin)
    await signal_and_cancel(builds)
    await crowd.all_end_cancelled(builds)


async def test_a_cancel_that_comes_with_a_signal_to_a_build_that_has_not_begun_ends_it(crowd: Crowd) -> None:
    builds = await crowd.gather(ordered)
    await signal_and_cancel(builds)
    await crowd.all_end_cancelled(builds)


async def test_a_cancel_that_comes_with_a_signal_and_the_failure_of_a_stage_ends_the_build(crowd: Crowd) -> None:
    class Broken(Gate):
        async def __call__(self, build: Checkpoint) -> None:
            await super().__call__(build)
            raise BROKEN

    gates = [Broken() for _signal in SIGNALS]
    async with running_runs(crowd.client, crowd.rows):
        builds = await asyncio.gather(*(crowd.begin(resolve_tag=gate) for gate in gates))
        await asyncio.gather(*(build.goes_through(gate) for build, gate in zip(builds, gates, strict=True)))
    for build, gate in zip(builds, gates, strict=True):
        gate.may_end.set()
        await happened(build, EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED)
    await signal_and_cancel(builds)
    await crowd.all_end_cancelled(builds)


async def test_a_cancel_that_comes_with_the_end_of_the_waiting_time_ends_the_build(crowd: Crowd) -> None:
    async with running_runs(crowd.client, crowd.rows):
        build = await crowd.begin(stays_open=timedelta(seconds=2), resolve_tag=fails(BROKEN))
        await build.becomes(BuildStatus.FAILED)
        await build.is_parked()
    await happened(build, EventType.EVENT_TYPE_TIMER_FIRED)
    await build.handle.cancel()
    await crowd.all_end_cancelled([build])
    assert await build.status() == WorkflowExecutionStatus.CANCELED


async def signal_and_cancel(builds: list[Trial]) -> None:
    """Send each build a signal and a cancel, in either order."""
    for number, (build, signal) in enumerate(zip(builds, SIGNALS, strict=True)):
        if number % 2:
            await build.handle.signal(signal)
        await build.handle.cancel()
        if not number % 2:
            await build.handle.signal(signal)


async def happened(build: Trial, event: "EventType.ValueType") -> None:
    async def is_there() -> int:
        return events_of((await build.histories())[-1], event)

    await eventually(is_there)
