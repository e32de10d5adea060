import asyncio
from contextlib import suppress
from datetime import timedelta

from activities.ports.runs import RunAddress
from activities.relay.relay import Relay
from activities.relay.repairs.chores import repairs
from models.postgres.database import Database
from models.postgres.hints import DIRTY, Hints
from models.repositories.build.delivery import BuildDelivery
from models.rules.build_lifecycle import Wish
from models.rules.errors.orchestrator import OrchestratorRefused
from tests.support.builds.addresses import build_of, delivery_by
from tests.support.builds.stored_builds import Ordered, StoredBuilds, waiting
from tests.support.eventually import eventually
from tests.support.fakes.runs import FakeRuns


async def make_old(builds: StoredBuilds, table: str, column: str) -> None:
    await builds.fetch(f"UPDATE {table} SET {column} = now() - interval '1 hour' RETURNING id")


async def test_a_pending_build_that_no_run_claims_is_delivered_again(
    database: Database, builds: StoredBuilds, runs: FakeRuns
) -> None:
    lost, _running, _failed = await builds.order(), await builds.running(), await builds.failed()
    await make_old(builds, "builds", "created_at")
    await builds.order()
    while await delivery_by(database, runs).deliver_some():
        pass
    async with database.transaction() as session:
        assert await BuildDelivery(session).mark_unclaimed(timedelta(seconds=30)) == 1
    assert await waiting(builds) == {lost.build_id}


def relay_of(database: Database, hints: Hints, runs: FakeRuns) -> Relay:
    return Relay(
        database, hints, delivery_by(database, runs), repairs(database, runs), log_retention=timedelta(days=30)
    )


async def test_the_relay_delivers_at_a_hint_and_keeps_the_house(
    database: Database, database_url: str, builds: StoredBuilds, runs: FakeRuns
) -> None:
    async with Hints(database_url) as hints:
        relay = asyncio.create_task(relay_of(database, hints, runs).run())
        try:
            build = await builds.order()
            hints.give(DIRTY)
            await eventually(lambda: is_told(runs, build))
            partitions = "SELECT count(*) AS days FROM pg_inherits WHERE inhparent = 'log_chunks'::regclass"
            await eventually(lambda: builds.fetch(partitions), lambda rows: rows[0]["days"] >= 4)
        finally:
            relay.cancel()
            with suppress(asyncio.CancelledError):
                await relay


async def test_the_relay_keeps_the_house_while_temporal_is_away(
    database: Database, database_url: str, builds: StoredBuilds, runs: FakeRuns
) -> None:
    build = await builds.order()
    runs.is_away = True
    hints = Hints(database_url)
    relay = asyncio.create_task(relay_of(database, hints, runs).run())
    try:
        partitions = "SELECT count(*) AS days FROM pg_inherits WHERE inhparent = 'log_chunks'::regclass"
        await eventually(lambda: builds.fetch(partitions), lambda rows: rows[0]["days"] >= 4)
        runs.is_away = False
        await eventually(lambda: is_told(runs, build))
    finally:
        relay.cancel()
        with suppress(asyncio.CancelledError):
            await relay


async def is_told(runs: FakeRuns, build: Ordered) -> bool:
    return ("poke", f"image-build/{build.name}:v1/1") in runs.told


async def test_a_cancel_that_is_wanted_for_long_is_delivered_again(database: Database, builds: StoredBuilds) -> None:
    forgotten, other = await builds.running(), await builds.running()
    for build in (forgotten, other):
        await builds.wish(build, Wish.CANCEL)
    await builds.fetch("DELETE FROM dirty_keys RETURNING id")
    await builds.fetch(
        "UPDATE builds SET cancel_requested_at = now() - interval '1 minute' WHERE id = :b RETURNING id",
        b=forgotten.build_id,
    )
    async with database.transaction() as session:
        assert await BuildDelivery(session).mark_uncancelled(timedelta(seconds=30)) == 1
    assert await waiting(builds) == {forgotten.build_id}


async def test_a_build_that_temporal_refuses_holds_up_no_other(
    database: Database, builds: StoredBuilds, runs: FakeRuns
) -> None:
    refused, taken = await builds.order("demo/refused"), await builds.order("demo/taken")

    async def refuse(run: RunAddress) -> None:
        if build_of(run) == refused.build_id:
            raise OrchestratorRefused("Temporal refuses this build's workflow: no such search attribute")

    runs.before_poke = refuse
    await delivery_by(database, runs).deliver_some()
    assert [run for _word, run in runs.told] == ["image-build/demo/taken:v1/1"]
    assert await waiting(builds) == {refused.build_id}
    assert taken.build_id not in await waiting(builds)


async def test_what_the_release_before_marks_is_delivered(
    database: Database, builds: StoredBuilds, runs: FakeRuns
) -> None:
    build = await builds.order()
    while await delivery_by(database, runs).deliver_some():
        pass
    told = len(runs.told)
    for version in (1, 2):  # as its API marks, at first and again
        mark = f"""
            INSERT INTO dirty_builds (build_id, version) VALUES ('{build.build_id}', 1)
            ON CONFLICT (build_id) DO UPDATE SET version = dirty_builds.version + 1 RETURNING version
        """
        assert await builds.fetch(mark) == [{"version": version}]
        assert await delivery_by(database, runs).deliver_some() == 1
    assert len(runs.told) == told + 2
