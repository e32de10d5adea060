"""What becomes of a build when its attempt at a builder ends without an image."""

import asyncio
from pathlib import Path

import pytest

from activities.ports.engine import EngineProgress
from models.postgres.database import Database
from models.postgres.hints import Hints
from models.rules.build_lifecycle import BuildStatus, StateCode, Wish
from models.rules.errors.database import DatabaseUnreachable
from models.rules.errors.engine import BuildCancelled, DockerBuildFailed, EngineUnreachable, ExecutionLost
from standalone.servers.postgres import EmbeddedPostgres
from tests.support.builds.builder_hosts import KEY, SECRET, Hosts
from tests.support.builds.stored_builds import StoredBuilds
from tests.support.eventually import eventually
from tests.support.fakes.memory_engine import IMAGE_ID
from tests.support.servers.postgres_proxy import PostgresProxy


async def test_what_the_engine_awaits_is_shown_as_long_as_it_does(hosts: Hosts, builds: StoredBuilds) -> None:
    build = await hosts.fetched(builds)
    registry = "The registry 127.0.0.1:5000: nothing has been heard of the image app:1 since 00:00:00 UTC."

    async def told() -> list[str | None]:
        return [row["waits_for"] for row in await builds.fetch("SELECT waits_for FROM build_waits")]

    async with hosts.running("host-1") as host:
        watching = await host.watch(build)
        engines_work = await host.engine.next_build()
        engines_work.awaits = registry
        assert await eventually(told, lambda shown: shown == [registry])
        engines_work.awaits = None
        assert await eventually(told, lambda shown: shown == [None])
        engines_work.succeed()
        await watching


async def test_what_is_recorded_of_an_attempt_holds_no_secret(hosts: Hosts, builds: StoredBuilds) -> None:
    build = await hosts.fetched(builds)
    async with hosts.running("host-1") as host:
        watching = await host.watch(build)
        engines_work = await host.engine.next_build()
        engines_work.notices = (f"look at {SECRET}",)
        step = f"Step 2/2 : RUN curl {SECRET}"
        engines_work.fail(DockerBuildFailed(f"{'x' * 1990}{SECRET}", failing_step=step, exit_code=1))
        with pytest.raises(DockerBuildFailed):
            await watching
    (row,) = await builds.fetch("SELECT * FROM build_executions")
    assert SECRET[:12] not in repr(row)
    assert row["failing_step"] == "Step 2/2 : RUN curl ******"
    assert "look at ******" in row["notices"]


# an attempt that nobody wanted to end


async def test_an_attempt_that_ends_with_its_worker_is_tried_again_and_not_cancelled(
    hosts: Hosts, builds: StoredBuilds
) -> None:
    build = await hosts.fetched(builds)
    async with hosts.running("host-2") as staying:
        async with hosts.running("host-1") as stopping:
            own = await stopping.watch(build)
            engines_work = await stopping.engine.next_build()
            watching = await staying.watch(build)
        for watcher in (own, watching):
            with pytest.raises(ExecutionLost) as lost:
                await watcher
            assert lost.value.retryable
        assert engines_work.is_cancelled
        assert (await builds.row(build.build_id)).status == BuildStatus.RUNNING
        again = await staying.watch(build)
        (await staying.engine.next_build()).succeed()
        assert (await again).variables == {"image_id": IMAGE_ID, "builder": "host-2"}
    assert await outcomes(builds) == ["lost", "succeeded"]


async def test_a_worker_that_stops_while_postgres_is_away_ends_its_work_and_does_not_wait(
    hosts: Hosts, builds: StoredBuilds, postgres: EmbeddedPostgres
) -> None:
    build = await hosts.fetched(builds)
    async with hosts.running("host-1") as stopping:
        own = await stopping.watch(build)
        engines_work = await stopping.engine.next_build()
        await postgres.stop()
    await postgres.start()
    assert engines_work.is_cancelled
    with pytest.raises(DatabaseUnreachable):
        await own
    async with hosts.running("host-1") as back:
        again = await back.watch(build)
        (await back.engine.next_build()).succeed()
        assert (await again).variables["builder"] == "host-1"
    assert await outcomes(builds) == ["lost", "succeeded"]


@pytest.mark.parametrize("steps_begun", [True, False], ids=["in mid-build", "before the first step"])
async def test_a_worker_that_stops_while_postgres_hangs_ends_its_work_and_does_not_wait(
    builds: StoredBuilds, database_url: str, tmp_path: Path, steps_begun: bool
) -> None:
    async with PostgresProxy(database_url) as proxy, Hints(database_url) as hints:
        hosts = Hosts(Database(proxy.url, pool_size=5), hints, tmp_path)
        build = await hosts.fetched(builds)
        async with hosts.running("host-1") as stopping:
            if steps_begun:
                beginning = asyncio.create_task(stopping.watch(build))
                await stopping.engine.next_build()
                proxy.fall_silent()
            else:
                proxy.fall_silent(behind="INSERT INTO build_executions")
                beginning = asyncio.create_task(stopping.watch(build))
                await asyncio.wait_for(proxy.is_silent.wait(), 30)
        assert [work.is_cancelled for work in stopping.engine.builds] == [True] * steps_begun
        beginning.cancel()
    assert await outcomes(builds) == [None]  # until its lease is over


async def test_an_attempt_whose_builder_falls_silent_is_tried_again_and_its_work_ends(
    hosts: Hosts, builds: StoredBuilds, database_url: str, tmp_path: Path
) -> None:
    build = await hosts.fetched(builds)
    async with PostgresProxy(database_url) as proxy, Hints(database_url) as hints:
        cut_off = Hosts(Database(proxy.url, pool_size=5), hints, tmp_path)
        async with cut_off.running("host-1") as silent, hosts.running("host-2") as staying:
            own = await silent.watch(build)
            engines_work = await silent.engine.next_build()
            watching = await staying.watch(build)
            proxy.fall_silent()
            await builds.fetch("UPDATE build_executions SET lease_until = clock_timestamp() RETURNING token")
            with pytest.raises(ExecutionLost):
                await watching
            again = await staying.watch(build)
            (await staying.engine.next_build()).succeed()
            assert (await again).variables["builder"] == "host-2"
            proxy.speak_again()
            with pytest.raises(ExecutionLost):
                await own

            async def is_over() -> bool:
                return engines_work.is_cancelled

            await eventually(is_over)
    assert await outcomes(builds) == ["lost", "succeeded"]


async def test_while_the_engine_is_away_nothing_is_begun(hosts: Hosts, builds: StoredBuilds) -> None:
    build = await hosts.fetched(builds)
    async with hosts.running("host-1") as host:
        own = await host.watch(build)
        host.engine.is_away = True
        (await host.engine.next_build()).lose()
        with pytest.raises(EngineUnreachable):
            await own
        for _try in range(3):
            with pytest.raises(EngineUnreachable):
                await (await host.watch(build))
        assert await outcomes(builds) == ["lost"]
        host.engine.is_away = False
        again = await host.watch(build)  # at once, whatever the last look at the engine met
        (await host.engine.next_build(2)).succeed()
        assert (await again).variables["image_id"] == IMAGE_ID
    assert await outcomes(builds) == ["lost", "succeeded"]


async def test_an_attempt_on_another_host_is_watched_though_the_own_engine_is_away(
    hosts: Hosts, builds: StoredBuilds
) -> None:
    build = await hosts.fetched(builds)
    async with hosts.running("host-1", engine_is_away=True) as watching, hosts.running("host-2") as building:
        own = await building.watch(build)
        watched = await watching.watch(build)
        (await building.engine.next_build()).succeed()
        assert (await own).variables == (await watched).variables


async def test_an_attempt_that_ends_by_a_wanted_cancel_cancels_the_build_for_all_who_watch(
    hosts: Hosts, builds: StoredBuilds
) -> None:
    build = await hosts.fetched(builds)
    async with hosts.running("host-1") as host, hosts.running("host-2") as other:
        own = await host.watch(build)
        await host.engine.next_build()
        watching = await other.watch(build)
        assert await builds.wish(build, Wish.CANCEL)
        assert await host.builder.cancel(build.build_id)
        for watcher in (own, watching):
            with pytest.raises(BuildCancelled):
                await watcher
    assert await outcomes(builds) == ["cancelled"]


# a source that is not there any more, or not the same


@pytest.mark.parametrize("damage", ["missing", "changed"])
async def test_a_kept_source_that_is_damaged_sends_the_build_back_to_fetch_it_again(
    hosts: Hosts, builds: StoredBuilds, damage: str
) -> None:
    build = await hosts.fetched(builds)
    kept = hosts.store.path_of(KEY)
    if damage == "missing":
        kept.unlink()
    else:
        kept.write_bytes(kept.read_bytes() + b"\0")
    async with hosts.running("host-1") as host:
        outcome = await asyncio.wait_for(await host.watch(build), 30)
        assert (outcome.back_to, outcome.variables) == (StateCode.FETCH_SOURCE, {})
        assert not kept.exists()  # or the next fetch would find it, and believe it
        assert host.engine.builds == []
        await hosts.keep_source()
        for code in (StateCode.FETCH_SOURCE, StateCode.BUILD):
            await builds.enter(build, code)
        building = await host.watch(build)
        (await host.engine.next_build()).succeed()
        assert (await building).variables["image_id"] == IMAGE_ID
    assert await outcomes(builds) == ["failed", "succeeded"]


# what is told of an attempt


async def test_a_success_shows_all_its_steps_done(hosts: Hosts, builds: StoredBuilds) -> None:
    build = await hosts.fetched(builds)
    async with hosts.running("host-1") as host:
        building = await host.watch(build)
        work = await host.engine.next_build()
        work.progress = EngineProgress(step=2, steps=4, last_line="Step 2/4 : RUN make")
        work.succeed()
        await building
    [shown] = await builds.fetch("SELECT step, steps, last_line FROM build_progress")
    assert (shown["step"], shown["steps"], shown["last_line"]) == (4, 4, "Step 2/4 : RUN make")


# a log on the builder's disk that is damaged


async def test_a_log_that_cannot_be_read_is_said_on_its_build_and_holds_up_nothing(
    hosts: Hosts, builds: StoredBuilds
) -> None:
    async with hosts.running("host-1") as host:
        ends = [await host.watch(await hosts.fetched(builds)) for _ in range(2)]
        damaged, sound = await host.engine.next_build(), await host.engine.next_build(2)
        damaged.log_path.unlink()
        damaged.log_size = 100
        sound.write(b"heard\n")

        async def stored() -> list[int]:
            return [row["size_bytes"] for row in await builds.fetch("SELECT size_bytes FROM log_chunks")]

        assert await eventually(stored) == [6]
        damaged.succeed()
        sound.succeed()
        assert [(await end).variables["image_id"] for end in ends] == [IMAGE_ID, IMAGE_ID]
    losses = await builds.fetch("SELECT log_loss FROM build_executions ORDER BY token")
    assert [bool(row["log_loss"]) for row in losses] == [True, False]
    assert "cannot read it (No such file or directory)" in losses[0]["log_loss"]


async def test_the_log_of_a_lost_attempt_is_kept_whole_when_its_builder_has_stopped_writing(
    hosts: Hosts, builds: StoredBuilds
) -> None:
    async with hosts.running("host-1") as host:
        build = await hosts.fetched(builds)
        own = await host.watch(build)
        lost = await host.engine.next_build()
        lost.write(b"one\n")

        async def stored() -> int:
            rows = await builds.fetch("SELECT coalesce(sum(size_bytes), 0) AS bytes FROM log_chunks")
            return int(rows[0]["bytes"])

        async def kept() -> list[int | None]:
            found = "SELECT log_bytes FROM build_executions WHERE log_key IS NOT NULL ORDER BY token"
            return [row["log_bytes"] for row in await builds.fetch(found)]

        await eventually(stored, lambda size: size == 4)
        await builds.fetch("UPDATE build_executions SET outcome = 'lost', ended_at = now() RETURNING token")
        other = await host.watch(await hosts.fetched(builds))
        (await host.engine.next_build(2)).succeed()  # has the archive look for ended logs
        await other
        await eventually(kept, lambda sizes: 0 in sizes)
        lost.write(b"two\n")
        await eventually(stored, lambda size: size == 8)
        lost.succeed()
        with pytest.raises(ExecutionLost):
            await own

        await eventually(kept, lambda sizes: sizes == [8, 0])


async def outcomes(builds: StoredBuilds) -> list[str | None]:
    return [row["outcome"] for row in await builds.fetch("SELECT outcome FROM build_executions ORDER BY token")]
