import random
from datetime import date, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text

from models.postgres.database import Database
from models.repositories.builder import BuilderReport, BuilderRepository
from models.repositories.execution import ExecutionEnd, ExecutionRepository
from models.repositories.log.chunks import LogChunks
from models.repositories.log.days import LogDays
from models.repositories.log.facts import LogFacts, StoredLog, WrittenLog
from models.rules.build_lifecycle import BuildStatus
from models.rules.errors.database import DatabaseBusy
from models.rules.log_chunk import LARGEST_CHUNK, LogBytes
from models.tables.execution import BuildExecution
from tests.support.builds.stored_builds import Ordered, StoredBuilds

BUILDER = "host-1"


class Logs:
    """The repository, a transaction a call."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def prepare_days(self) -> None:
        async with self._database.transaction() as session:
            await LogDays(session).prepare()

    async def begin(self, build: Ordered) -> BuildExecution:
        """Begin an attempt at a build, on a builder with room."""
        async with self._database.transaction() as session:
            executions = ExecutionRepository(session)
            await BuilderRepository(session).register(BuilderReport(BUILDER, uuid4(), 9, None, None, is_limited=False))
            execution, is_new = await executions.open_execution(build.build_id, "run-1", BUILDER)
        assert is_new
        return execution

    async def end(self, execution: BuildExecution, log_bytes: int = 0) -> None:
        async with self._database.transaction() as session:
            end = ExecutionEnd("succeeded", docker_image_id="sha256:1")
            await LogFacts(session).finish(execution.token or 0, WrittenLog(log_bytes, ""))
            await ExecutionRepository(session).end(execution.token or 0, end)

    async def add(self, execution: BuildExecution, offset: int, data: bytes) -> None:
        async with self._database.transaction() as session:
            await LogChunks(session).add(execution.token or 0, execution.log_day, LogBytes(offset, data))

    async def read(self, execution: BuildExecution, offset: int, most_bytes: int = 10**9) -> LogBytes:
        async with self._database.transaction() as session:
            return await LogChunks(session).read(execution.token or 0, execution.log_day, offset, most_bytes)

    async def size(self, execution: BuildExecution) -> int:
        async with self._database.transaction() as session:
            return await LogChunks(session).size(execution.token or 0, execution.log_day)

    async def of_image(self, image_id: int, attempt: int | None = None) -> StoredLog | None:
        async with self._database.transaction() as session:
            return await LogFacts(session).of_image(image_id, attempt)

    async def drop_days(self, retention: timedelta) -> list[date]:
        async with self._database.transaction() as session:
            return await LogDays(session).drop_before(retention)


@pytest.fixture
async def logs(database: Database) -> Logs:
    logs = Logs(database)
    await logs.prepare_days()
    return logs


# bytes


async def test_what_was_written_is_read_from_any_place(builds: StoredBuilds, logs: Logs) -> None:
    dice = random.Random(5)
    execution = await logs.begin(await builds.running(at=40))
    written = b""
    for size in (1, 70_000, 3, LARGEST_CHUNK, 200_000, 17):
        data = dice.randbytes(size)
        await logs.add(execution, len(written), data)
        written += data
    assert await logs.size(execution) == len(written)
    places = [0, 1, LARGEST_CHUNK, len(written) - 1, *(dice.randrange(len(written)) for _place in range(20))]
    for place in places:
        assert await logs.read(execution, place) == LogBytes(place, written[place:])
    for place in (len(written), len(written) + 5):
        assert (await logs.read(execution, place)).data == b""


async def test_a_log_is_read_in_pages_without_a_gap_or_a_repeat(builds: StoredBuilds, logs: Logs) -> None:
    execution = await logs.begin(await builds.running(at=40))
    written = b"".join(b"line %d\n" % number for number in range(50_000))
    await logs.add(execution, 0, written)
    read = b""
    while (page := await logs.read(execution, len(read), 100_000)).data:
        assert page.offset == len(read)
        assert len(page.data) <= 100_000 + LARGEST_CHUNK
        read += page.data
    assert read == written


@pytest.mark.parametrize(
    "data", [b"\x00" * 1000, b"\xff\xfe invalid", b"a" * 1_000_000, b"\x1b[31mred\x1b[0m\r\r\n", "é😀".encode()[:-1]]
)
async def test_bytes_of_any_kind_pass_whole(builds: StoredBuilds, logs: Logs, data: bytes) -> None:
    execution = await logs.begin(await builds.running(at=40))
    await logs.add(execution, 0, data)
    assert (await logs.read(execution, 0)).data == data


async def test_bytes_are_stored_once(builds: StoredBuilds, logs: Logs) -> None:
    execution = await logs.begin(await builds.running(at=40))
    await logs.add(execution, 0, b"once\n")
    with pytest.raises(DatabaseBusy):
        await logs.add(execution, 0, b"twice\n")
    assert (await logs.read(execution, 0)).data == b"once\n"


async def test_attempts_do_not_mix(builds: StoredBuilds, logs: Logs) -> None:
    one, other = [await logs.begin(await builds.running(at=40)) for _build in range(2)]
    await logs.add(one, 0, b"one\n")
    await logs.add(other, 0, b"other\n")
    assert ((await logs.read(one, 0)).data, (await logs.read(other, 0)).data) == (b"one\n", b"other\n")


async def test_repetitive_logs_take_little_room(builds: StoredBuilds, logs: Logs) -> None:
    execution = await logs.begin(await builds.running(at=40))
    await logs.add(execution, 0, b"compiling main.c\n" * 60_000)
    [stored] = await builds.fetch("SELECT sum(length(data)) AS bytes, count(*) AS chunks FROM log_chunks")
    assert stored["chunks"] == -(-17 * 60_000 // LARGEST_CHUNK)
    assert stored["bytes"] < 17 * 60_000 / 20


# which log


async def test_before_the_first_attempt_the_log_is_empty_and_not_complete(builds: StoredBuilds, logs: Logs) -> None:
    build = await builds.running()
    stored = await logs.of_image(build.image_id)
    assert stored is not None
    assert (stored.token, stored.attempt, stored.is_complete, stored.is_build_open) == (None, 0, False, True)
    await builds.report(build, BuildStatus.CANCELLED, 10, 2)
    stored = await logs.of_image(build.image_id)
    assert stored is not None
    assert (stored.is_complete, stored.is_build_open) == (True, False)


async def test_the_newest_attempts_log_is_the_images_log(builds: StoredBuilds, logs: Logs) -> None:
    build = await builds.running(at=40)
    first = await logs.begin(build)
    await logs.end(first, 10)
    for code in (20, 40):
        await builds.enter(build, code)
    second = await logs.begin(build)
    newest, oldest = await logs.of_image(build.image_id), await logs.of_image(build.image_id, 1)
    assert newest is not None
    assert oldest is not None
    assert (newest.token, newest.attempt, newest.is_complete) == (second.token, 2, False)
    assert (oldest.token, oldest.attempt, oldest.is_complete, oldest.size_bytes) == (first.token, 1, True, 10)


async def test_what_was_never_there_has_no_log(builds: StoredBuilds, logs: Logs) -> None:
    build = await builds.running(at=40)
    assert await logs.of_image(999_999) is None
    assert await logs.of_image(build.image_id, 7) is None


# days


async def test_there_is_always_a_place_for_the_logs_of_the_next_days(
    database: Database, builds: StoredBuilds, logs: Logs
) -> None:
    await logs.prepare_days()
    today = (await builds.fetch("SELECT clock_timestamp()::date AS today"))[0]["today"]
    names = await builds.fetch(
        "SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = 'log_chunks'::regclass ORDER BY 1"
    )
    days = [today + timedelta(days=ahead) for ahead in range(-1, 4)]
    assert [row["name"] for row in names] == [f"log_chunks_{day:%Y%m%d}" for day in days]


async def test_an_old_day_goes_whole_when_all_its_logs_are_kept(
    database: Database, builds: StoredBuilds, logs: Logs
) -> None:
    old = await _old_day(builds)
    execution = await _log_of(builds, logs, old)
    retention = timedelta(days=30)
    assert await logs.drop_days(retention) == []  # its log is no object yet
    assert (await logs.read(execution, 0)).data == b"old\n"
    async with database.transaction() as session:
        await LogFacts(session).keep(execution.token or 0, key="logs/x/1.log.zst", sha256="ab" * 32, size_bytes=4)
    assert await logs.drop_days(retention) == [old]
    assert (await logs.read(execution, 0)).data == b""
    assert await logs.drop_days(retention) == []


async def _old_day(builds: StoredBuilds) -> date:
    old: date = (await builds.fetch("SELECT (clock_timestamp() - interval '40 days')::date AS day"))[0]["day"]
    following = old + timedelta(days=1)
    async with builds.database.transaction() as session:
        await session.execute(
            text(
                f"CREATE TABLE log_chunks_{old:%Y%m%d} PARTITION OF log_chunks"
                f" FOR VALUES FROM ('{old}') TO ('{following}')"
            )
        )
    return old


async def _log_of(builds: StoredBuilds, logs: Logs, day: date) -> BuildExecution:
    execution = await logs.begin(await builds.running(at=40))
    await logs.end(execution, 4)
    await builds.fetch("UPDATE build_executions SET log_day = :day RETURNING token", day=day)
    execution.log_day = day
    await logs.add(execution, 0, b"old\n")
    return execution
