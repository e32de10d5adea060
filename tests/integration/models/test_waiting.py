"""What open builds wait for: what their stages tell, and their places in the queue."""

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import uuid4

import pytest
import pytest_asyncio
from sqlalchemy import text

from activities.waiting import WaitNote
from models.postgres.database import Database
from models.postgres.hints import Hints
from models.repositories.builder import BuilderReport, BuilderRepository
from models.repositories.execution import ExecutionEnd, ExecutionRepository
from models.repositories.image.reading import ImageReading
from models.repositories.queue.look_ahead import LookAheadRepository
from models.repositories.queue.waiting import WaitRepository
from models.rules.build_lifecycle import BuildStatus, Wish
from models.rules.errors.domain import DomainError
from models.rules.errors.engine import EngineUnreachable
from models.rules.waiting import PAUSED
from models.tables.execution import BuildExecution
from tests.support.builds.stored_builds import BROKEN, Ordered, StoredBuilds, checkpoint

GITHUB = "GitHub: api.github.com cannot be reached for the tag v1 of demo/hello."
QUEUED = "A free slot on a builder: this build is number 1 in the queue."
REGISTRY = "The registry example.com, which holds the base image example.com/base:1, does not answer."


class Waits:
    """The repository, a transaction a call."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def tell(
        self, build: Ordered, code: int, what: str = GITHUB, *, next_try_in: timedelta | None = None
    ) -> bool:
        async with self.database.transaction() as session:
            return await WaitRepository(session).tell(build.build_id, code, what, next_try_in=next_try_in)

    async def fail(self, build: Ordered, code: int = 10, *, asked_for: timedelta | None = None) -> timedelta | None:
        """Fail a try at a state, as GitHub's outage does; it is borne for half a minute."""
        async with self.database.transaction() as session:
            return await WaitRepository(session).fail_try(
                build.build_id, code, GITHUB, patience=timedelta(seconds=30), asked_for=asked_for
            )

    async def back_in_time(self, by: timedelta) -> None:
        """Let what was told have been told earlier."""
        async with self.database.transaction() as session:
            earlier = "since = since - CAST(:by AS interval), told_at = told_at - CAST(:by AS interval)"
            await session.execute(text(f"UPDATE build_waits SET {earlier}"), {"by": by})

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

    async def fetch(self, build: Ordered) -> None:
        async with self.database.transaction() as session:
            await LookAheadRepository(session).keep(build.build_id)

    async def lose(self, execution: BuildExecution, error: DomainError) -> None:
        async with self.database.transaction() as session:
            await ExecutionRepository(session).end(execution.token or 0, ExecutionEnd("lost", error=error))

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
    await waits.tell(build, 10, next_try_in=timedelta(seconds=90))
    [told] = await builds.fetch("SELECT told_at + interval '90 seconds' AS next_try FROM build_waits")
    assert await waits.shown(build) == f"{GITHUB} The next try is at {told['next_try']:%H:%M:%S} UTC."


async def test_tries_come_more_rarely_until_the_patience_is_over(builds: StoredBuilds, waits: Waits) -> None:
    build = await builds.running(at=10)
    delays = [await waits.fail(build)]
    for seconds in (10, 18, 3):
        await waits.back_in_time(timedelta(seconds=seconds))
        delays.append(await waits.fail(build))
    assert delays[0] == timedelta(seconds=1)
    assert delays[1] is not None
    assert delays[2] is not None
    assert timedelta(seconds=5) <= delays[1] < timedelta(seconds=6)
    assert delays[2] < timedelta(seconds=2), "the last try comes when the patience ends"
    assert delays[3] is None
    assert await waits.tries(build) == 4


async def test_who_says_when_to_come_again_is_left_alone_until_then(builds: StoredBuilds, waits: Waits) -> None:
    build = await builds.running(at=10)
    hour = timedelta(hours=1)
    assert await waits.fail(build, asked_for=hour) == hour
    await waits.back_in_time(hour)
    assert await waits.fail(build, asked_for=hour) is None, "it was said once too often"
    assert await waits.fail(build) is None


async def test_another_builds_attempts_end_no_wait(builds: StoredBuilds, waits: Waits) -> None:
    building, waiting = await builds.running(at=40), await builds.running(at=10)
    await waits.fail(building, 40)
    await waits.fail(waiting)
    await waits.back_in_time(timedelta(seconds=8))
    await waits.attempt(building)
    for waited in (8, 16):
        next_try_in = await waits.fail(waiting)
        assert next_try_in is not None
        assert next_try_in >= timedelta(seconds=waited / 2)
        await waits.back_in_time(timedelta(seconds=8))


async def test_what_an_attempt_waited_for_is_no_outage_yet(builds: StoredBuilds, waits: Waits) -> None:
    build = await builds.running(at=40)
    await waits.tell(build, 40, REGISTRY)
    await waits.back_in_time(timedelta(minutes=10))
    assert await waits.fail(build, 40) == timedelta(seconds=1)


async def test_what_worked_in_between_is_waited_for_anew(builds: StoredBuilds, waits: Waits) -> None:
    building = await builds.running(at=40)
    await waits.fail(building, 40)
    await waits.back_in_time(timedelta(seconds=30))
    await waits.lose(await waits.attempt(building), EngineUnreachable("It went away."))
    assert await waits.fail(building, 40) is None, "it went away at once: nothing has worked"
    execution = await waits.attempt(building)
    await builds.fetch("UPDATE build_executions SET started_at = started_at - interval '1 minute' RETURNING token")
    await waits.lose(execution, EngineUnreachable("It went away."))
    await waits.back_in_time(timedelta(minutes=2))
    assert await waits.fail(building, 40) == timedelta(seconds=1)
    assert await waits.tries(building) == 3, "yet no try is forgotten: Temporal counts them all"


async def test_a_download_that_begins_and_breaks_off_each_time_is_not_waited_for_without_end(
    builds: StoredBuilds, waits: Waits
) -> None:
    fetching = await builds.running(at=20)
    await waits.fail(fetching, 20)
    await waits.clear(fetching, 20)  # its first bytes have come
    await waits.back_in_time(timedelta(seconds=30))
    assert await waits.fail(fetching, 20) is None


@pytest.mark.parametrize(
    ("then", "code"),
    [(BuildStatus.RUNNING, 20), (BuildStatus.RUNNING, 10), (BuildStatus.FAILED, 10), (BuildStatus.CANCELLED, 10)],
)
async def test_nothing_is_left_of_it_when_the_run_reports(
    builds: StoredBuilds, waits: Waits, then: BuildStatus, code: int
) -> None:
    build = await builds.running(at=10)
    await waits.fail(build)
    await builds.report(build, then, code, 2, failure=BROKEN if then == BuildStatus.FAILED else None)
    assert await waits.shown(build) in (None, QUEUED)
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


async def test_a_stage_that_was_left_tells_nothing_any_more(builds: StoredBuilds, waits: Waits) -> None:
    build = await builds.running(at=40)
    assert not await waits.tell(build, 20)
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
    waiting, fetching = await builds.running(at=20), await builds.running(at=20, priority=1)
    await waits.fetch(fetching)
    await waits.attempt(works)
    await builds.wish(held, Wish.PAUSE)
    shown = [await waits.shown(build) for build in (urgent, old, young, waiting, works, held, fetching)]
    assert shown == [
        "A free slot on a builder: this build is number 1 in the queue.",
        "A free slot on a builder: this build is number 2 in the queue.",
        "A free slot on a builder: this build is number 3 in the queue.",
        "A free slot on a builder: this build is number 4 in the queue.",
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
