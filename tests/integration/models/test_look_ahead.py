"""How many sources are fetched ahead of the builders, and what counts for it."""

from uuid import uuid4

import pytest

from models.postgres.database import Database
from models.repositories.builder import BuilderReport, BuilderRepository
from models.repositories.execution import ExecutionRepository
from models.repositories.queue.look_ahead import SOURCES_AHEAD_PER_SLOT, LookAheadRepository
from models.rules.build_lifecycle import BuildStatus, Wish
from tests.support.builds.stored_builds import Ordered, StoredBuilds

BUILDER = "host-1"


class LookAhead:
    """The repository, a transaction a call."""

    def __init__(self, database: Database, builds: StoredBuilds) -> None:
        self._database = database
        self._builds = builds

    async def has_builder(self, slots: int, *, engine_error: str | None = None) -> None:
        report = BuilderReport(BUILDER, uuid4(), slots, "20.10.24", engine_error, is_limited=False)
        async with self._database.transaction() as session:
            await BuilderRepository(session).register(report)

    async def begin(self, *builds: Ordered) -> list[bool]:
        begun = []
        for build in builds:
            async with self._database.transaction() as session:
                begun.append(await LookAheadRepository(session).begin(build.build_id))
        return begun

    async def leave(self, build: Ordered) -> None:
        async with self._database.transaction() as session:
            await LookAheadRepository(session).leave(build.build_id)

    async def room(self) -> int:
        async with self._database.transaction() as session:
            return await LookAheadRepository(session).room()

    async def lies_ready(self, build: Ordered) -> None:
        await self._builds.report(build, BuildStatus.RUNNING, 40, 2)

    async def is_built(self, build: Ordered) -> None:
        async with self._database.transaction() as session:
            await ExecutionRepository(session).open_execution(build.build_id, "run-1", BUILDER)


@pytest.fixture
def ahead(database: Database, builds: StoredBuilds) -> LookAhead:
    return LookAhead(database, builds)


async def waiting(builds: StoredBuilds, number: int, *, at: int = 20) -> list[Ordered]:
    return [await builds.running(at=at) for _build in range(number)]


async def test_at_most_twice_as_many_sources_are_ahead_as_there_are_slots(
    builds: StoredBuilds, ahead: LookAhead
) -> None:
    await ahead.has_builder(slots=2)
    fetching = await waiting(builds, 6)
    assert await ahead.begin(*fetching) == [True] * 2 * SOURCES_AHEAD_PER_SLOT + [False] * 2
    for build in fetching[:4]:
        await ahead.lies_ready(build)
    for build in fetching[:2]:
        await ahead.is_built(build)
    assert await ahead.room() == 2
    assert await ahead.begin(*fetching[4:]) == [True] * 2
    assert await ahead.room() == 0


async def test_who_is_more_urgent_than_all_that_are_ahead_is_fetched_too(
    builds: StoredBuilds, ahead: LookAhead
) -> None:
    await ahead.has_builder(slots=1, engine_error="It does not answer.")
    first, second, third = await waiting(builds, 3)
    await ahead.begin(first, second)
    await ahead.lies_ready(first)
    assert await ahead.room() == 0
    urgent = await builds.running(at=20, priority=1)
    assert await ahead.room() == 2
    assert await ahead.begin(third, urgent, third) == [False, True, False]


async def test_a_repeated_beginning_is_the_same_download(builds: StoredBuilds, ahead: LookAhead) -> None:
    await ahead.has_builder(slots=1)
    first, second, third = await waiting(builds, 3)
    assert await ahead.begin(first, first, second, first, third) == [True, True, True, True, False]


async def test_a_download_that_hangs_gives_its_place_to_another(builds: StoredBuilds, ahead: LookAhead) -> None:
    await ahead.has_builder(slots=2)
    stalled, others = await waiting(builds, 4), await waiting(builds, 4)
    assert await ahead.begin(*stalled, others[0]) == [True] * 4 + [False]
    for build in stalled:
        await ahead.leave(build)
    assert await ahead.begin(*others) == [True] * 4


async def test_builds_that_nobody_works_on_hold_up_nobody(builds: StoredBuilds, ahead: LookAhead) -> None:
    await ahead.has_builder(slots=2)
    await waiting(builds, 4)  # their workflows were deleted at state 20 …
    await waiting(builds, 4, at=40)  # … and at 40, while slots are free
    assert await ahead.room() > 0
    fetching = await waiting(builds, 3)
    assert await ahead.begin(*fetching) == [True, True, False]
    for build in fetching[:2]:
        await ahead.lies_ready(build)
        await ahead.is_built(build)
    assert await ahead.begin(fetching[2]) == [False], "both slots work, and enough seems to lie ready"


async def test_downloads_whose_worker_is_gone_count_no_more_when_their_lease_is_over(
    builds: StoredBuilds, ahead: LookAhead
) -> None:
    await ahead.has_builder(slots=1)
    lost, others = await waiting(builds, 2), await waiting(builds, 2)
    assert await ahead.begin(*lost, others[0]) == [True, True, False]
    await builds.fetch("UPDATE source_fetches SET lease_until = clock_timestamp() RETURNING build_id")
    assert await ahead.begin(*others) == [True, True]


@pytest.mark.parametrize("at", [20, 40])
async def test_paused_builds_and_those_being_cancelled_hold_up_nobody(
    builds: StoredBuilds, ahead: LookAhead, at: int
) -> None:
    await ahead.has_builder(slots=1, engine_error="It does not answer.")
    held_up = await waiting(builds, 2, at=20)
    await ahead.begin(*held_up)
    if at == 40:
        for build in held_up:
            await ahead.lies_ready(build)
    assert await ahead.room() == 0
    for build, wish in zip(held_up, (Wish.PAUSE, Wish.CANCEL), strict=True):
        await builds.wish(build, wish)
    assert await ahead.room() == 2


async def test_while_the_engine_is_away_sources_are_not_piled_up(builds: StoredBuilds, ahead: LookAhead) -> None:
    await ahead.has_builder(slots=1, engine_error="It does not answer.")
    await waiting(builds, 2, at=40)
    assert await ahead.room() == 0


async def test_without_any_live_builder_as_much_is_fetched_as_for_one_slot(
    builds: StoredBuilds, ahead: LookAhead
) -> None:
    assert await ahead.begin(*await waiting(builds, 3)) == [True, True, False]
