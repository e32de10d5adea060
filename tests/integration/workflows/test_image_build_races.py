"""The workflow of an image build at awkward moments. Rows lie in memory, so that a test decides when things happen."""

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio
from temporalio.client import WorkflowExecutionStatus

from activities.adapters.temporal import connect
from activities.ports.runs import RunAddress
from models.rules.build_lifecycle import BuildStatus, Wish
from models.rules.build_payloads import Checkpoint
from models.rules.errors.engine import DockerBuildFailed
from tests.support.builds.build_trials import RunsWithLimits, Trial, Trials, running_workers, temporal_server
from tests.support.fakes.build_rows import FakeBuildRows
from tests.support.fakes.stages import FakeStages, Gate, Silence, fails
from workflows.image_build import STAGES

ALL_STAGES = [stage.activity for stage in STAGES]
BROKEN = DockerBuildFailed("Docker build failed: exit code 1.")


@dataclass(frozen=True)
class Races(Trials):
    rows: FakeBuildRows


@pytest_asyncio.fixture(scope="module")
async def races(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Races]:
    async with temporal_server(tmp_path_factory.mktemp("temporal")) as server:
        client = await connect(lazy=False, address=server.address)
        runs = RunsWithLimits(client)
        rows = FakeBuildRows(runs)
        stages = FakeStages(rows)
        async with running_workers(client, rows, stages):
            yield Races(client, rows, stages, runs)


async def test_no_poke_between_failure_and_parking_is_lost(races: Races) -> None:
    dice = random.Random(40)
    pokes: list[asyncio.Task[bool]] = []

    async def resume(run: RunAddress) -> bool:
        await asyncio.sleep(dice.uniform(0, 0.3))
        return await races.rows.wish(run, Wish.RESUME)

    races.rows.when_failed = lambda run: pokes.append(asyncio.create_task(resume(run)))
    builds = await asyncio.gather(*(races.begin(resolve_tag=fails(BROKEN)) for _build in range(40)))
    for build in builds:
        assert await build.ends() == WorkflowExecutionStatus.COMPLETED
        assert build.calls == ["resolve_tag", *ALL_STAGES]
    races.rows.when_failed = lambda _run: None
    assert await asyncio.gather(*pokes) == [True] * 40


async def test_a_build_whose_worker_died_and_that_is_cancelled_then_is_cancelled_not_failed(races: Races) -> None:
    silence = Silence()
    build = await races.begin(build_image=silence)
    await build.goes_through(silence)
    await build.handle.cancel()
    try:
        assert await build.ends() == WorkflowExecutionStatus.CANCELED
        assert (await build.row()).status == BuildStatus.CANCELLED
    finally:
        silence.may_end.set()


async def test_cancels_at_random_moments_round_a_failure_all_end_as_cancelled(races: Races) -> None:
    dice = random.Random(80)

    async def try_one() -> Trial:
        build = await races.begin(resolve_tag=fails(BROKEN))
        await asyncio.sleep(dice.uniform(0, 1.0))
        await build.handle.cancel()
        return build

    for build in await asyncio.gather(*(try_one() for _build in range(40))):
        assert await build.ends() == WorkflowExecutionStatus.CANCELED
        row = await build.row()
        assert row.status == BuildStatus.CANCELLED or (row.status == BuildStatus.FAILED and row.is_closed)


async def test_a_stage_that_fails_after_its_build_was_cancelled_leaves_no_run_waiting(races: Races) -> None:
    class Broken(Gate):
        async def __call__(self, build: Checkpoint) -> None:
            await super().__call__(build)
            raise BROKEN

    gate = Broken()
    build = await races.begin(build_image=gate)
    await build.goes_through(gate)
    races.rows.settle_cancel(build.run)
    gate.may_end.set()
    assert await build.ends() == WorkflowExecutionStatus.COMPLETED
    assert len(await build.histories()) == 1
