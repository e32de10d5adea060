import asyncio
from collections import Counter
from datetime import timedelta
from uuid import UUID

import pytest

from activities.ports.runs import RunAddress
from models.postgres.database import Database
from models.repositories.outbox import ClaimedKey, OutboxRepository
from models.rules.build_lifecycle import BuildStatus, Wish
from models.rules.errors.orchestrator import OrchestratorUnreachable
from models.rules.run_contract import SearchAttribute, build_key
from tests.support.builds.addresses import build_of, delivery_by, order_in
from tests.support.builds.stored_builds import StoredBuilds, waiting
from tests.support.fakes.runs import FakeRuns


async def claim(database: Database, limit: int = 50) -> list[ClaimedKey]:
    async with database.transaction() as session:
        return await OutboxRepository(session).claim(limit)


async def free(builds: StoredBuilds) -> None:
    """Let the time pass after which a failed delivery is tried again."""
    await builds.fetch("UPDATE dirty_keys SET claimed_until = NULL RETURNING id")


# what is told


async def test_an_order_pokes_its_run_and_leaves_no_key(
    database: Database, builds: StoredBuilds, runs: FakeRuns
) -> None:
    build = await builds.order("demo/hello", priority=2, third_party_id="acme")
    await delivery_by(database, runs).deliver(build_key(build.build_id))
    assert runs.told == [("poke", "image-build/demo/hello:v1/1")]
    assert not await waiting(builds)
    told = runs.addresses["image-build/demo/hello:v1/1"]
    known = (build_of(told), order_in(told).generation, told.summary, told.attributes[SearchAttribute.BUILD_KIND])
    assert known == (build.build_id, 1, "demo/hello:v1", "image")
    assert (told.priority, told.fairness_key, told.correlation_id) == (2, "acme", "c0ffee")


async def test_a_cancel_that_is_wanted_reaches_the_run(
    database: Database, builds: StoredBuilds, runs: FakeRuns
) -> None:
    build = await builds.order("demo/hello")
    await delivery_by(database, runs).deliver(build_key(build.build_id))
    await builds.wish(build, Wish.CANCEL)
    await delivery_by(database, runs).deliver(build_key(build.build_id))
    assert [word for word, _run in runs.told] == ["poke", "cancel"]
    assert not await waiting(builds)


async def test_a_cancel_without_a_run_starts_one_and_cancels_that(
    database: Database, builds: StoredBuilds, runs: FakeRuns
) -> None:
    build = await builds.order()
    await builds.wish(build, Wish.CANCEL)
    await delivery_by(database, runs).deliver_some()
    assert await waiting(builds) == {build.build_id}
    await free(builds)
    await delivery_by(database, runs).deliver_some()
    assert [word for word, _run in runs.told] == ["cancel", "poke", "cancel"]
    assert not await waiting(builds)


async def test_a_build_that_has_ended_is_only_poked(database: Database, builds: StoredBuilds, runs: FakeRuns) -> None:
    build = await builds.running()
    await builds.wish(build, Wish.CANCEL)
    await builds.report(build, BuildStatus.CANCELLED, 10, 2)
    await delivery_by(database, runs).deliver_some()
    assert [word for word, _run in runs.told] == ["poke"]


async def test_a_build_that_nobody_marked_is_not_delivered(
    database: Database, builds: StoredBuilds, runs: FakeRuns
) -> None:
    build = await builds.order()
    await delivery_by(database, runs).deliver(build_key(build.build_id))
    await delivery_by(database, runs).deliver(build_key(build.build_id))
    assert len(runs.told) == 1


# faults and races


async def test_while_temporal_is_away_the_key_stays_and_is_tried_again(
    database: Database, builds: StoredBuilds, runs: FakeRuns
) -> None:
    build = await builds.order()
    runs.is_away = True
    with pytest.raises(OrchestratorUnreachable):
        await delivery_by(database, runs).deliver_some()
    assert await waiting(builds) == {build.build_id}
    assert await delivery_by(database, runs).deliver_some() == 0  # not at once
    runs.is_away = False
    await free(builds)
    assert await delivery_by(database, runs).deliver_some() == 1
    assert not await waiting(builds)


async def test_one_build_that_cannot_be_delivered_does_not_hold_up_the_others(
    database: Database, builds: StoredBuilds, runs: FakeRuns
) -> None:
    stuck, *others = [await builds.order() for _build in range(5)]

    async def refuse_one(run: RunAddress) -> None:
        if build_of(run) == stuck.build_id:
            raise OrchestratorUnreachable("This one is refused.")

    runs.before_poke = refuse_one
    with pytest.raises(OrchestratorUnreachable):
        await delivery_by(database, runs).deliver_some()
    assert await waiting(builds) == {stuck.build_id}
    assert {build_of(address) for address in runs.addresses.values()} == {other.build_id for other in others}


async def test_several_relays_share_the_work_and_tell_each_build_once(
    database: Database, builds: StoredBuilds, runs: FakeRuns
) -> None:
    ordered = [await builds.order() for _build in range(60)]
    taken = await asyncio.gather(*(delivery_by(database, runs).deliver_some() for _relay in range(4)))
    while await delivery_by(database, runs).deliver_some():
        pass
    assert sum(taken) <= len(ordered)
    assert Counter(run for _word, run in runs.told) == {f"image-build/{build.name}:v1/1": 1 for build in ordered}
    assert not await waiting(builds)


async def test_a_claim_takes_no_more_than_it_asks_for(database: Database, builds: StoredBuilds) -> None:
    for _build in range(12):
        await builds.order()
    claims = [await claim(database, 5) for _claim in range(4)]
    assert [len(keys) for keys in claims] == [5, 5, 2, 0]
    assert len({UUID(key.key.id) for keys in claims for key in keys}) == 12


async def test_claims_at_once_never_take_the_same_key(database: Database, builds: StoredBuilds) -> None:
    for _build in range(12):
        await builds.order()
    claims = await asyncio.gather(*(claim(database, 3) for _relay in range(8)))
    taken = [UUID(key.key.id) for keys in claims for key in keys]
    assert len(taken) == len(set(taken))
    assert max(len(keys) for keys in claims) <= 3


async def test_a_key_that_its_deliverer_took_along_when_it_died_is_free_after_the_lease(
    database: Database, builds: StoredBuilds, runs: FakeRuns
) -> None:
    await builds.order()
    await claim(database)
    assert await delivery_by(database, runs).deliver_some() == 0
    await builds.fetch("UPDATE dirty_keys SET claimed_until = clock_timestamp() - interval '1 second' RETURNING id")
    assert await delivery_by(database, runs).deliver_some() == 1


async def test_a_change_during_the_delivery_keeps_the_key(
    database: Database, builds: StoredBuilds, runs: FakeRuns
) -> None:
    build = await builds.order()

    async def change(_run: RunAddress) -> None:
        runs.before_poke = None
        await builds.wish(build, Wish.PAUSE)

    runs.before_poke = change
    assert await delivery_by(database, runs).deliver_some() == 1
    assert await waiting(builds) == {build.build_id}
    assert await delivery_by(database, runs).deliver_some() == 1  # at once: nobody holds it
    assert not await waiting(builds)


async def test_a_failed_delivery_does_not_hold_back_a_change_that_came_meanwhile(
    database: Database, builds: StoredBuilds
) -> None:
    build = await builds.order()
    [key] = await claim(database)
    await builds.wish(build, Wish.PAUSE)
    async with database.transaction() as session:
        await OutboxRepository(session).give_back(key, timedelta(minutes=1))
    assert len(await claim(database)) == 1
