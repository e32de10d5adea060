"""The role "workflows": builds wait for their source in Temporal's queue, in its order, and cost nothing meanwhile."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
import pytest_asyncio
from temporalio.api.enums.v1 import PendingActivityState
from temporalio.client import Client, WorkflowExecutionStatus

from activities.adapters.object_store.local import LocalStore
from activities.adapters.temporal import TemporalRuns, connect
from activities.builder.host import BuilderHost
from activities.builder.identity import BuilderIdentity
from activities.image.building import ImageActivities
from activities.work_area import WorkArea
from models.postgres.hints import Hints
from models.rules.build_lifecycle import BuildStatus, StateCode, Wish
from models.rules.errors.orchestrator import OrchestratorUnreachable
from models.rules.redaction import Redaction
from models.rules.run_contract import Queue
from roles.composition import WorkerWorld
from roles.host_slots import HostSlots
from roles.polling import polls
from roles.pools import open_pools
from roles.workflows import workflow_workers
from settings import Settings
from tests.support.builds.addresses import address
from tests.support.builds.build_trials import temporal_server
from tests.support.builds.builder_hosts import ARCHIVE_LIMITS
from tests.support.builds.stored_builds import Ordered, StoredBuilds
from tests.support.eventually import eventually
from tests.support.fakes.memory_engine import MemoryEngine
from tests.support.fakes.outages import FakeOutages
from tests.support.fakes.source_host import FakeSourceHost

MORE_THAN_LIGHT_ACTIVITIES_RUN_AT_ONCE = 66
HUNDREDS = 300
DELIVERED_AT_ONCE = 8


@dataclass(frozen=True)
class Place:
    """Running workers of the role, and what they download from."""

    parts: WorkerWorld
    builds: StoredBuilds
    runs: TemporalRuns
    client: Client
    source_host: FakeSourceHost


@pytest_asyncio.fixture
async def place(database_url: str, builds: StoredBuilds, tmp_path: Path) -> AsyncIterator[Place]:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(temporal_server(tmp_path))
        client = await connect(lazy=False, address=server.address)
        source_host = FakeSourceHost(tmp_path)
        hints = await stack.enter_async_context(Hints(database_url))
        pools = await open_pools(database_url, hints, stack)
        parts = WorkerWorld(
            settings=Settings(_env_file=None, data_dir=tmp_path, drain_timeout=timedelta(seconds=1)),
            pools=pools,
            hints=hints,
            client=client,
            source_host=source_host,
            store=LocalStore(tmp_path / "objects"),
            area=stack.enter_context(WorkArea(tmp_path / "work")),
            instance="an-instance",
            outages=FakeOutages(),
            redaction=Redaction(),
        )
        for worker in workflow_workers(parts):
            await stack.enter_async_context(worker)
        yield Place(parts, builds, TemporalRuns(client), client, source_host)


async def test_the_next_build_is_fetched_at_once_however_many_wait(place: Place) -> None:
    place.source_host.let_come(3)
    ahead = [await begun(place) for _build in range(2)]  # nobody builds them: their sources stay ahead
    for build in ahead:
        await reaches(place.builds, build, StateCode.BUILD)
    waiting = await many_begun(place, MORE_THAN_LIGHT_ACTIVITIES_RUN_AT_ONCE)
    await eventually(lambda: asked_for_their_source(place.builds), lambda number: number == len(waiting))
    urgent = await begun(place, priority=1)
    await reaches(place.builds, urgent, StateCode.BUILD)
    states = {(await place.builds.row(build.build_id)).current_state for build in waiting}
    assert states == {StateCode.FETCH_SOURCE}


async def test_who_waits_gets_his_turn_by_priority_and_then_by_age(place: Place) -> None:
    place.source_host.let_come(100)
    ahead = [await begun(place, priority=1) for _build in range(2)]  # as many as go ahead of no builder at all
    for build in ahead:
        await reaches(place.builds, build, StateCode.BUILD)
    waiting = []
    for priority in (3, 5, 2, 3, 2, 4):
        build = await begun(place, priority=priority)
        await eventually(partial(is_scheduled, place, build))
        waiting.append((priority, build))
    order = [build for _priority, build in sorted(waiting, key=lambda each: each[0])]  # keeps the order of age
    for build in order:
        await place.builds.wish(ahead.pop(0), Wish.PAUSE)  # it holds up nobody any more
        await reaches(place.builds, build, StateCode.BUILD)
        ahead.append(build)
    assert place.source_host.asked[2:] == [commit_of(build) for build in order]


async def test_a_waiting_build_costs_no_activity_and_is_cancelled_at_once(place: Place) -> None:
    for _build in range(2):
        await begun(place)
    await eventually(place.source_host.asked_now, lambda asked: len(asked) == 2)
    waiting = await begun(place)
    await eventually(partial(is_scheduled, place, waiting))
    handle = place.client.get_workflow_handle(address(waiting.build_id, waiting.name, waiting.generation).workflow_id)
    await handle.cancel()
    await eventually(handle.describe, lambda run: run.status == WorkflowExecutionStatus.CANCELED)
    assert len(place.source_host.asked) == 2


async def test_builds_whose_workflow_is_gone_and_downloads_that_hang_take_nobodys_turn(
    place: Place, tmp_path: Path
) -> None:
    async with building(place, tmp_path) as engine:
        for at in (20, 40):
            for _build in range(4):  # twice as many as slots, and older than the one that comes
                await place.builds.running(at=at, priority=1)
        hanging = [await begun(place, priority=2) for _build in range(4)]
        await eventually(place.source_host.asked_now, lambda asked: len(asked) == len(hanging))
        place.source_host.stalls |= set(place.source_host.asked)
        place.source_host.let_come()
        for number in (1, 2):
            build = await begun(place)
            (await engine.next_build(number)).succeed()
            await reaches(place.builds, build, StateCode.INSPECT)
            place.source_host.let_come()


async def test_with_hundreds_of_waiting_builds_no_pool_is_ever_exhausted(place: Place, tmp_path: Path) -> None:
    place.source_host.let_come(HUNDREDS)
    async with building(place, tmp_path) as engine:
        waiting = await many_begun(place, HUNDREDS)
        await eventually(lambda: asked_for_their_source(place.builds), lambda number: number > HUNDREDS - 10)
        for built in range(1, 9):
            (await engine.next_build(built)).succeed()
        for build in waiting:
            if await is_scheduled(place, build):
                break
        else:
            pytest.fail("nobody waits in Temporal's queue")
    assert [pool.exhausted for pool in place.parts.pools.all()] == [0] * 4


@asynccontextmanager
async def building(place: Place, folder: Path) -> AsyncIterator[MemoryEngine]:
    """Run a builder host with two slots, and yield its engine."""
    async with AsyncExitStack() as stack:
        parts, engine = place.parts, MemoryEngine()
        builder = BuilderHost(
            BuilderIdentity("host-1", 2, "an-instance", timedelta(hours=1)),
            database=parts.pools.builder,
            hints=parts.hints,
            engine=engine,
            store=parts.store,
            area=stack.enter_context(WorkArea(folder / "host-1")),
            archive_limits=ARCHIVE_LIMITS,
            redaction=parts.redaction,
        )
        await stack.enter_async_context(builder)
        images = ImageActivities(parts.pools.stages, parts.hints, engine, builder, place.runs)
        await stack.enter_async_context(polls(parts, Queue.DOCKER, [images.build_image], at_once=HostSlots(builder, 2)))
        yield engine


async def is_scheduled(place: Place, build: Ordered) -> bool:
    """Say whether Temporal knows the build's download and nobody has taken it."""
    run = address(build.build_id, build.name, build.generation)
    described = await place.client.get_workflow_handle(run.workflow_id).describe()
    pending = described.raw_description.pending_activities
    return [each.state for each in pending] == [PendingActivityState.PENDING_ACTIVITY_STATE_SCHEDULED]


async def begun(place: Place, *, priority: int = 3) -> Ordered:
    """Return a build whose tag is resolved, and that a run of its own takes on from there."""
    build = await place.builds.order(priority=priority)
    await place.builds.claim(build)
    await place.builds.report(
        build, BuildStatus.RUNNING, StateCode.FETCH_SOURCE, 1, variables={"commit_sha": commit_of(build)}
    )
    run = address(build.build_id, build.name, build.generation)

    async def is_delivered() -> bool:
        try:
            await place.runs.poke(run)
        except OrchestratorUnreachable:  # a busy server: delivery tries again
            return False
        return True

    await eventually(is_delivered)
    return build


async def many_begun(place: Place, number: int) -> list[Ordered]:
    at_once = asyncio.Semaphore(DELIVERED_AT_ONCE)

    async def begin() -> Ordered:
        async with at_once:
            return await begun(place)

    return await asyncio.gather(*(begin() for _build in range(number)))


def commit_of(build: Ordered) -> str:
    return hashlib.sha1(build.build_id.bytes).hexdigest()


async def reaches(builds: StoredBuilds, build: Ordered, code: StateCode) -> None:
    await eventually(lambda: builds.row(build.build_id), lambda row: row.current_state == code)


async def asked_for_their_source(builds: StoredBuilds) -> int:
    """Return how many builds wait at state 20 because a run of theirs has entered it."""
    [found] = await builds.fetch(
        "SELECT count(*) AS number FROM builds WHERE current_state = 20 AND epoch > 1 AND seq > 0"
    )
    return int(found["number"])
