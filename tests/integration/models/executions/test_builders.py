import asyncio
from typing import Any

from models.postgres.database import Database
from models.repositories.builder import BuilderRepository
from models.rules.build_lifecycle import BuildStatus
from models.rules.errors.engine import NoFreeSlot
from tests.support.builds.fenced_executions import BUILDER, Fence, described, expire, token_of
from tests.support.builds.stored_builds import StoredBuilds

# slots


async def test_a_builder_never_runs_more_than_its_slots(builds: StoredBuilds, fence: Fence) -> None:
    await fence.register(described(slots=3))
    waiting = [await builds.running(at=40) for _build in range(10)]
    answers: list[Any] = await asyncio.gather(*(fence.open(build) for build in waiting), return_exceptions=True)
    assert sum(isinstance(answer, NoFreeSlot) for answer in answers) == 7
    opened = [answer[0] for answer in answers if isinstance(answer, tuple)]
    assert len(opened) == 3
    assert await builds.fetch("SELECT count(*) AS live FROM build_executions WHERE outcome IS NULL") == [{"live": 3}]
    await fence.end(opened[0])
    answers = await asyncio.gather(*(fence.open(build) for build in waiting), return_exceptions=True)
    assert sum(isinstance(answer, tuple) and answer[1] for answer in answers) == 1


async def test_each_builder_has_slots_of_its_own(builds: StoredBuilds, fence: Fence) -> None:
    for name in ("host-1", "host-2"):
        await fence.register(described(name, slots=1))
    first, second = await builds.running(at=40), await builds.running(at=40)
    await fence.open(first, "host-1")
    _execution, is_new = await fence.open(second, "host-2")
    assert is_new


async def test_a_lease_that_ran_out_holds_no_slot(builds: StoredBuilds, fence: Fence) -> None:
    await fence.register(described(slots=1))
    silent, next_one = await builds.running(at=40), await builds.running(at=40)
    execution, _is_new = await fence.open(silent)
    await expire(builds, execution)
    _execution, is_new = await fence.open(next_one)
    assert is_new


# builders


async def test_a_builder_that_starts_again_closes_what_it_left(builds: StoredBuilds, fence: Fence) -> None:
    for name in ("host-1", "host-2"):
        await fence.register(described(name))
    left, _is_new = await fence.open(await builds.running(at=40), "host-1")
    elsewhere, _is_new = await fence.open(await builds.running(at=40), "host-2")
    closed = await fence.register(described("host-1"))
    assert [execution.token for execution in closed] == [left.token]
    assert ((await fence.read(left)).outcome, (await fence.read(elsewhere)).outcome) == ("lost", None)


async def test_a_beat_prolongs_the_leases_of_what_nobody_gave_up(builds: StoredBuilds, fence: Fence) -> None:
    report = described(slots=3)
    await fence.register(report)
    held, silent, given_up = [(await fence.open(await builds.running(at=40), run_id="run-1"))[0] for _ in range(3)]
    before = (await fence.read(held)).lease_until
    await expire(builds, silent)
    await builds.fetch(
        "UPDATE build_executions SET outcome = 'lost', ended_at = now() WHERE token = :t RETURNING token",
        t=token_of(given_up),
    )
    assert await fence.beat(report, held, silent, given_up) == [(given_up.token, True)]
    assert (await fence.read(held)).lease_until > before
    assert (await fence.read(silent)).lease_until > before


async def test_a_build_that_has_ended_keeps_no_lease(builds: StoredBuilds, fence: Fence) -> None:
    report = described()
    await fence.register(report)
    build = await builds.running(at=40)
    execution, _is_new = await fence.open(build)
    await builds.report(build, BuildStatus.CANCELLED, 40, 2)
    assert await fence.beat(report, execution) == [(execution.token, False)]


async def test_an_earlier_start_of_a_builder_does_not_speak_for_it_any_more(database: Database, fence: Fence) -> None:
    earlier, now = described(slots=1), described(slots=4)
    await fence.register(earlier)
    await fence.register(now)
    await fence.beat(earlier)
    async with database.transaction() as session:
        [seen] = await BuilderRepository(session).seen()
    assert (seen.name, seen.slots, seen.busy, seen.is_live) == (BUILDER, 4, 0, True)


async def test_a_builder_that_is_silent_is_not_live(database: Database, builds: StoredBuilds, fence: Fence) -> None:
    await fence.register(described())
    await fence.open(await builds.running(at=40))
    await builds.fetch("UPDATE builders SET seen_at = clock_timestamp() - interval '16 seconds' RETURNING name")
    async with database.transaction() as session:
        [seen] = await BuilderRepository(session).seen()
    assert (seen.is_live, seen.busy) == (False, 1)
