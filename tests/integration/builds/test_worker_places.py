"""The role "workflows": builds that wait for their turn never take the place of one whose turn it is."""

import asyncio
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

from activities.adapters.object_store.local import LocalStore
from activities.adapters.temporal import TemporalRuns, connect
from activities.work_area import WorkArea
from models.postgres.database import Database
from models.postgres.hints import Hints
from models.rules.build_lifecycle import BuildStatus, StateCode
from roles.composition import WorkerWorld
from roles.workflows import workflow_workers
from settings import Settings
from tests.support.builds.addresses import address
from tests.support.builds.build_trials import temporal_server
from tests.support.builds.stored_build_rows import COMMIT
from tests.support.builds.stored_builds import Ordered, StoredBuilds
from tests.support.eventually import eventually
from tests.support.fakes.outages import FakeOutages
from tests.support.fakes.source_host import FakeSourceHost

MORE_THAN_LIGHT_ACTIVITIES_RUN_AT_ONCE = 66


async def test_the_next_build_finds_a_place_to_fetch_in_however_many_wait(
    database: Database, database_url: str, builds: StoredBuilds, tmp_path: Path
) -> None:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(temporal_server(tmp_path))
        client = await connect(lazy=False, address=server.address)
        source_host = FakeSourceHost(tmp_path)
        source_host.let_come(3)
        parts = WorkerWorld(
            settings=Settings(_env_file=None, data_dir=tmp_path, drain_timeout=timedelta(seconds=1)),
            database=database,
            hints=await stack.enter_async_context(Hints(database_url)),
            client=client,
            source_host=source_host,
            store=LocalStore(tmp_path / "objects"),
            area=stack.enter_context(WorkArea(tmp_path / "work")),
            instance="an-instance",
            outages=FakeOutages(),
        )
        for worker in workflow_workers(parts):
            await stack.enter_async_context(worker)
        runs = TemporalRuns(client)
        ahead = [await begun(builds, runs) for _build in range(2)]  # nobody builds them: their sources stay ahead
        for build in ahead:
            await reaches(builds, build, StateCode.BUILD)
        waiting = await asyncio.gather(
            *(begun(builds, runs) for _build in range(MORE_THAN_LIGHT_ACTIVITIES_RUN_AT_ONCE))
        )
        await eventually(lambda: asked_for_their_source(builds), lambda number: number == len(waiting))
        urgent = await begun(builds, runs, priority=1)
        await reaches(builds, urgent, StateCode.BUILD)
        assert {(await builds.row(build.build_id)).current_state for build in waiting} == {StateCode.FETCH_SOURCE}


async def begun(builds: StoredBuilds, runs: TemporalRuns, *, priority: int = 3) -> Ordered:
    """Return a build whose tag is resolved, and that a run of its own takes on from there."""
    build = await builds.order(priority=priority)
    await builds.claim(build)
    await builds.report(build, BuildStatus.RUNNING, StateCode.FETCH_SOURCE, 1, variables={"commit_sha": COMMIT})
    await runs.poke(address(build.build_id, build.name, build.generation))
    return build


async def reaches(builds: StoredBuilds, build: Ordered, code: StateCode) -> None:
    await eventually(lambda: builds.row(build.build_id), lambda row: row.current_state == code)


async def asked_for_their_source(builds: StoredBuilds) -> int:
    """Return how many builds wait at state 20 because a run of theirs has entered it."""
    [found] = await builds.fetch(
        "SELECT count(*) AS number FROM builds WHERE current_state = 20 AND epoch > 1 AND seq > 0"
    )
    return int(found["number"])
