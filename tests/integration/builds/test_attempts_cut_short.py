"""An attempt that is cut off from its activity, its worker or Postgres: no outcome is lost, and no row stays open."""

import asyncio
from pathlib import Path

import pytest
from temporalio.activity import ActivityCancellationDetails
from temporalio.testing import ActivityEnvironment

from activities.ports.runs import RunEnd
from models.postgres.database import Database
from models.postgres.hints import Hints
from models.rules.errors.database import DatabaseUnreachable
from models.rules.errors.engine import DockerBuildFailed, ExecutionLost
from tests.support.builds.builder_hosts import WORKFLOW, Hosts
from tests.support.builds.stored_builds import StoredBuilds
from tests.support.eventually import eventually
from tests.support.fakes.memory_engine import IMAGE_ID
from tests.support.servers.held_changes import holding
from tests.support.servers.postgres_proxy import Fate, PostgresProxy

TEMPORAL_FORGOT = ActivityCancellationDetails(not_found=True)
EXPIRE = "UPDATE build_executions SET lease_until = clock_timestamp() - interval '1 minute' RETURNING token"


async def outcomes(builds: StoredBuilds) -> list[str | None]:
    return [row["outcome"] for row in await builds.fetch("SELECT outcome FROM build_executions ORDER BY token")]


# an activity that is told to end while it opens its execution


async def test_an_execution_is_run_although_its_activity_was_forgotten_while_it_opened(
    hosts: Hosts, builds: StoredBuilds, database_url: str
) -> None:
    build = await hosts.fetched(builds)
    async with hosts.running("host-1") as host:
        environment = ActivityEnvironment()
        async with holding(database_url, "build_executions", "INSERT", at_commit=True) as is_held:
            watching = asyncio.create_task(host.watch(build, environment=environment))
            await eventually(is_held)
            environment.cancel(TEMPORAL_FORGOT)
            with pytest.raises(asyncio.CancelledError):
                await (await watching)
        again = await host.watch(build)
        (await host.engine.next_build()).succeed()
        assert (await again).variables["image_id"] == IMAGE_ID
        assert len(host.engine.builds) == 1
    assert await outcomes(builds) == ["succeeded"]


async def test_an_execution_is_ended_when_a_cancel_comes_while_it_opens(
    hosts: Hosts, builds: StoredBuilds, database_url: str
) -> None:
    build = await hosts.fetched(builds)
    async with hosts.running("host-1") as host:
        host.runs.open.add(WORKFLOW)
        environment = ActivityEnvironment()
        async with holding(database_url, "build_executions", "INSERT", at_commit=True) as is_held:
            watching = asyncio.create_task(host.watch(build, environment=environment))
            await eventually(is_held)
            environment.cancel()
        with pytest.raises(asyncio.CancelledError):
            await (await watching)
        assert all(work.is_cancelled for work in host.engine.builds)
    assert await outcomes(builds) == ["cancelled"]


async def test_an_execution_that_opens_while_its_worker_stops_is_closed(
    hosts: Hosts, builds: StoredBuilds, database_url: str
) -> None:
    build = await hosts.fetched(builds)
    async with hosts.running("host-1") as host:
        async with holding(database_url, "build_executions", "INSERT", at_commit=True) as is_held:
            watching = asyncio.create_task(host.watch(build))
            await eventually(is_held)
            stopping = asyncio.create_task(host.builder.__aexit__(None, None, None))
            await asyncio.wait([stopping], timeout=0.1)
        await stopping
        assert all(work.is_cancelled for work in host.engine.builds)
        assert await outcomes(builds) == ["lost"]
    watching.cancel()


async def test_an_execution_whose_opening_nobody_heard_of_is_closed_although_its_build_ends(
    builds: StoredBuilds, database_url: str, tmp_path: Path
) -> None:
    async with PostgresProxy(database_url) as proxy, Hints(database_url) as hints:
        hosts = Hosts(Database(proxy.url, pool_size=5), hints, tmp_path)
        build = await hosts.fetched(builds)
        async with hosts.running("host-1") as host:
            async with holding(database_url, "build_executions", "INSERT") as is_held:
                watching = asyncio.create_task(host.watch(build))
                await eventually(is_held)
                proxy.break_next_commit(Fate.MADE)
            with pytest.raises(DatabaseUnreachable):
                await (await watching)
            assert await outcomes(builds) == [None]
            await builds.fetch("UPDATE builds SET status = 'cancelled', completed_at = now() RETURNING id")
            await builds.fetch(EXPIRE)

            async def closed() -> list[str | None]:
                return await outcomes(builds)

            await eventually(closed, lambda seen: seen == ["lost"])
            assert host.engine.builds == []


# a run that ends under its activity: Temporal tells of that as of a cancel


@pytest.mark.parametrize("end", [RunEnd.TERMINATED, None], ids=["terminated or reset", "deleted"])
async def test_the_work_goes_on_when_its_run_is_gone_and_the_next_run_joins_it(
    hosts: Hosts, builds: StoredBuilds, end: RunEnd | None
) -> None:
    build = await hosts.fetched(builds)
    async with hosts.running("host-1") as host:
        environment = ActivityEnvironment()
        own = await host.watch(build, environment=environment)
        work = await host.engine.next_build()
        host.runs.close(WORKFLOW, end)
        environment.cancel()
        with pytest.raises(asyncio.CancelledError):
            await own
        assert not work.is_cancelled
        await builds.claim(build, "run-2")
        await builds.enter(build, 40)
        joined = await host.watch(build, run_id="run-2")
        work.succeed()
        assert (await joined).variables["image_id"] == IMAGE_ID
        assert len(host.engine.builds) == 1
    assert await outcomes(builds) == ["succeeded"]


@pytest.mark.parametrize("is_away", [False, True], ids=["cancelled", "cancelled while Temporal is away"])
async def test_the_work_ends_when_its_run_waits_for_that(hosts: Hosts, builds: StoredBuilds, is_away: bool) -> None:
    build = await hosts.fetched(builds)
    async with hosts.running("host-1") as host:
        environment = ActivityEnvironment()
        own = await host.watch(build, environment=environment)
        work = await host.engine.next_build()
        host.runs.open.add(WORKFLOW)
        host.runs.is_away = is_away
        environment.cancel()
        with pytest.raises(asyncio.CancelledError):
            await own
        assert work.is_cancelled
    assert await outcomes(builds) == ["cancelled"]


async def test_an_attempt_that_was_ended_for_another_run_is_lost_and_not_cancelled(
    hosts: Hosts, builds: StoredBuilds
) -> None:
    build = await hosts.fetched(builds)
    async with hosts.running("host-1") as host:
        watching = await host.watch(build)
        await host.engine.next_build()
        await host.builder.cancel(build.build_id)
        with pytest.raises(ExecutionLost):
            await watching
        again = await host.watch(build)
        (await host.engine.next_build(2)).succeed()
        assert (await again).variables["image_id"] == IMAGE_ID


# an attempt that ends while nobody can be told


async def test_a_success_that_could_not_be_told_in_time_is_not_done_again(
    builds: StoredBuilds, database_url: str, tmp_path: Path
) -> None:
    async with PostgresProxy(database_url) as proxy, Hints(database_url) as hints:
        hosts = Hosts(Database(proxy.url, pool_size=5), hints, tmp_path)
        build = await hosts.fetched(builds)
        async with hosts.running("host-1") as host:
            own = await host.watch(build)
            work = await host.engine.next_build()
            proxy.fall_silent()
            await builds.fetch(EXPIRE)
            work.succeed()
            proxy.speak_again()
            assert (await own).variables["image_id"] == IMAGE_ID
            assert len(host.engine.builds) == 1
    assert await outcomes(builds) == ["succeeded"]


async def test_work_goes_on_while_postgres_is_away_for_longer_than_a_lease(
    builds: StoredBuilds, database_url: str, tmp_path: Path
) -> None:
    async with PostgresProxy(database_url) as proxy, Hints(database_url) as hints:
        hosts = Hosts(Database(proxy.url, pool_size=5), hints, tmp_path)
        build = await hosts.fetched(builds)
        async with hosts.running("host-1") as host:
            own = await host.watch(build)
            work = await host.engine.next_build()
            proxy.fall_silent()
            await builds.fetch(EXPIRE)
            proxy.speak_again()

            async def is_prolonged() -> bool:
                live = "SELECT 1 AS one FROM build_executions WHERE lease_until > clock_timestamp()"
                return bool(await builds.fetch(live))

            await eventually(is_prolonged)
            assert not work.is_cancelled
            work.succeed()
            assert (await own).variables["image_id"] == IMAGE_ID
    assert await outcomes(builds) == ["succeeded"]


@pytest.mark.parametrize("error", [None, DockerBuildFailed("Docker build failed: exit code 1.")])
async def test_an_outcome_that_no_activity_waited_for_is_taken_by_the_next_one(
    hosts: Hosts, builds: StoredBuilds, error: DockerBuildFailed | None
) -> None:
    build = await hosts.fetched(builds)
    async with hosts.running("host-1") as host, hosts.running("host-2") as other:
        environment = ActivityEnvironment()
        own = await host.watch(build, environment=environment)
        work = await host.engine.next_build()
        environment.cancel(TEMPORAL_FORGOT)
        with pytest.raises(asyncio.CancelledError):
            await own
        work.succeed() if error is None else work.fail(error)

        async def ended() -> list[str | None]:
            return await outcomes(builds)

        await eventually(ended, lambda seen: seen != [None])
        for later in (await other.watch(build), await host.watch(build)):
            if error is None:
                assert (await later).variables == {"image_id": IMAGE_ID, "builder": "host-1"}
            else:
                with pytest.raises(DockerBuildFailed):
                    await later
        assert len(host.engine.builds) + len(other.engine.builds) == 1


# an attempt that ends just as its builder beats


async def test_a_beat_that_meets_the_end_of_an_attempt_does_not_call_its_lease_lost(
    hosts: Hosts, builds: StoredBuilds, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    build = await hosts.fetched(builds, files=900)  # so that cleaning up takes a moment
    async with hosts.running("host-1") as host:
        own = await host.watch(build)
        work = await host.engine.next_build()
        async with holding(database_url, "build_executions", "UPDATE", "NEW.outcome = 'succeeded'") as is_held:
            work.succeed()
            await eventually(is_held)

            async def beat_waits() -> bool:
                waiting = "SELECT 1 AS one FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                return bool(await builds.fetch(waiting + " AND query LIKE 'UPDATE build_executions SET lease_until%'"))

            await eventually(beat_waits)
        assert (await own).variables["image_id"] == IMAGE_ID
    assert not [record for record in caplog.records if record.getMessage() in {"lease_lost", "attempt_not_wanted"}]
    assert await outcomes(builds) == ["succeeded"]
