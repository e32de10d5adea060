"""What open builds wait for: what their stages tell, and their places in the queue."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import uuid4

import pytest
import pytest_asyncio

from activities.waiting import WaitNote
from models.postgres.database import Database
from models.postgres.hints import Hints
from models.repositories.builder import BuilderReport, BuilderRepository
from models.repositories.execution import ExecutionEnd, ExecutionRepository
from models.repositories.image.reading import ImageReading
from models.repositories.queue.waiting import Wait, WaitRepository
from models.rules.build_lifecycle import BuildStatus, Wish
from models.rules.waiting import PAUSED
from models.tables.execution import BuildExecution
from tests.support.builds.stored_builds import BROKEN, Ordered, StoredBuilds, checkpoint

GITHUB = "GitHub: api.github.com cannot be reached for the tag v1 of demo/hello."
REGISTRY = "The registry example.com, which holds the base image example.com/base:1, does not answer."


class Waits:
    """The repository, a transaction a call."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def tell(self, build: Ordered, code: int, what: str = GITHUB, **more: object) -> Wait | None:
        async with self.database.transaction() as session:
            return await WaitRepository(session).tell(build.build_id, code, what, **more)  # type: ignore[arg-type]  # as the tests spell it

    async def clear(self, build: Ordered, code: int) -> None:
        async with self.database.transaction() as session:
            await WaitRepository(session).clear(build.build_id, code)

    async def tries(self, build: Ordered) -> int:
        async with self.database.transaction() as session:
            return await WaitRepository(session).tries(build.build_id)

    async def shown(self, build: Ordered) -> str | None:
        async with self.database.transaction() as session:
            return (await ImageReading(session).view(build.image_id)).waits_for

    async def attempt(self, build: Ordered, run_id: str = "run-1") -> BuildExecution:
        async with self.database.transaction() as session:
            report = BuilderReport("host-1", uuid4(), 2, "20.10.24", None, is_limited=False)
            await BuilderRepository(session).register(report)
            execution, _is_new = await ExecutionRepository(session).open_execution(build.build_id, run_id, "host-1")
        return execution

    async def end(self, execution: BuildExecution, outcome: str = "lost") -> None:
        async with self.database.transaction() as session:
            await ExecutionRepository(session).end(execution.token or 0, ExecutionEnd(outcome))


@pytest.fixture
def waits(database: Database) -> Waits:
    return Waits(database)


@pytest_asyncio.fixture
async def hints(database_url: str) -> AsyncIterator[Hints]:
    async with Hints(database_url) as hints:
        yield hints


# what a stage tells


async def test_a_build_shows_what_its_stage_waits_for_until_it_works_again(builds: StoredBuilds, waits: Waits) -> None:
    build = await builds.running(at=10)
    assert await waits.shown(build) is None
    await waits.tell(build, 10)
    assert await waits.shown(build) == GITHUB
    await waits.clear(build, 10)
    assert await waits.shown(build) is None


async def test_the_next_try_is_named(builds: StoredBuilds, waits: Waits) -> None:
    build = await builds.running(at=10)
    told = await waits.tell(build, 10, next_try_in=timedelta(seconds=90))
    assert told is not None
    next_try = told.now + timedelta(seconds=90)
    assert await waits.shown(build) == f"{GITHUB} The next try is at {next_try:%H:%M:%S} UTC."


async def test_waiting_is_as_long_as_since_it_began_and_counts_its_tries(builds: StoredBuilds, waits: Waits) -> None:
    build = await builds.running(at=10)
    first = await waits.tell(build, 10, is_failed_try=True)
    again = await waits.tell(build, 10, REGISTRY, is_failed_try=True)
    assert first is not None
    assert again is not None
    assert (again.since, again.tries) == (first.since, 2)
    assert again.now > first.now
    await waits.clear(build, 10)
    anew = await waits.tell(build, 10, is_failed_try=True)
    assert anew is not None
    assert anew.since > again.now, "it had worked in between"
    assert (anew.tries, await waits.tries(build)) == (3, 3)


@pytest.mark.parametrize(
    ("then", "code"),
    [(BuildStatus.RUNNING, 20), (BuildStatus.RUNNING, 10), (BuildStatus.FAILED, 10), (BuildStatus.CANCELLED, 10)],
)
async def test_nothing_is_left_of_it_when_the_run_reports(
    builds: StoredBuilds, waits: Waits, then: BuildStatus, code: int
) -> None:
    build = await builds.running(at=10)
    await waits.tell(build, 10, is_failed_try=True)
    await builds.report(build, then, code, 2, failure=BROKEN if then == BuildStatus.FAILED else None)
    assert await waits.shown(build) is None
    assert await waits.tries(build) == 0


async def test_nothing_is_left_of_it_in_success(builds: StoredBuilds, waits: Waits) -> None:
    build = await builds.running(at=90)
    await waits.tell(build, 90)
    await builds.succeed(build)
    assert await waits.shown(build) is None


async def test_nothing_is_left_of_it_when_another_run_takes_over(builds: StoredBuilds, waits: Waits) -> None:
    build = await builds.running(at=10)
    await waits.tell(build, 10)
    await builds.claim(build, "run-2")
    assert await waits.shown(build) is None
    assert await waits.tell(build, 10, run_id="run-1") is None
    assert await waits.shown(build) is None


async def test_a_stage_that_was_left_tells_nothing_any_more(builds: StoredBuilds, waits: Waits) -> None:
    build = await builds.running(at=40)
    assert await waits.tell(build, 20) is None
    await waits.tell(build, 40, REGISTRY)
    await waits.clear(build, 20)
    assert await waits.shown(build) == REGISTRY


async def test_an_attempt_that_began_hides_what_tries_before_it_met(builds: StoredBuilds, waits: Waits) -> None:
    build = await builds.running(at=40)
    await waits.tell(build, 40, "The Docker engine does not answer.", next_try_in=timedelta(seconds=1))
    execution = await waits.attempt(build)
    assert await waits.shown(build) is None
    await waits.tell(build, 40, REGISTRY)
    assert await waits.shown(build) == REGISTRY
    await waits.end(execution)
    second = await waits.attempt(build)
    assert second.attempt == 2
    assert await waits.shown(build) is None


async def test_a_note_is_told_once_and_cleared_once(builds: StoredBuilds, waits: Waits, hints: Hints) -> None:
    build = await builds.running(at=40)
    note = WaitNote(waits.database, hints, checkpoint(build, code=40))
    await note.clear()
    assert not await builds.fetch("SELECT * FROM build_waits"), "nothing was told: nothing is written"
    await note.tell(REGISTRY)
    told = await builds.fetch("SELECT told_at FROM build_waits")
    await note.tell(REGISTRY)
    assert await builds.fetch("SELECT told_at FROM build_waits") == told
    assert await waits.shown(build) == REGISTRY
    await note.clear()
    assert await waits.shown(build) != REGISTRY


# its turn


async def test_a_build_that_waits_for_a_slot_shows_its_place_by_priority_and_age(
    builds: StoredBuilds, waits: Waits
) -> None:
    old, young = await builds.running(at=40), await builds.running(at=40)
    urgent = await builds.running(at=40, priority=1)
    works, held = await builds.running(at=40, priority=1), await builds.running(at=40, priority=1)
    fetching = await builds.running(at=20, priority=1)
    await waits.attempt(works)
    await builds.wish(held, Wish.PAUSE)
    shown = await asyncio.gather(*(waits.shown(build) for build in (urgent, old, young, works, held, fetching)))
    assert shown == [
        "A free slot on a builder: this build is number 1 in the queue.",
        "A free slot on a builder: this build is number 2 in the queue.",
        "A free slot on a builder: this build is number 3 in the queue.",
        None,
        PAUSED,
        None,
    ]


async def test_between_the_end_of_an_attempt_and_its_report_a_build_is_in_no_queue(
    builds: StoredBuilds, waits: Waits
) -> None:
    build = await builds.running(at=40)
    await waits.end(await waits.attempt(build), "succeeded")
    assert await waits.shown(build) is None


async def test_a_paused_build_says_so_unless_it_works(builds: StoredBuilds, waits: Waits) -> None:
    build = await builds.running(at=40)
    await waits.attempt(build)
    await builds.wish(build, Wish.PAUSE)
    assert await waits.shown(build) is None
    pending = await builds.order()
    await builds.wish(pending, Wish.PAUSE)
    assert await waits.shown(pending) == PAUSED
