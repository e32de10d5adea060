import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import asyncpg
import pytest
import pytest_asyncio

from models.postgres.database import Database
from models.postgres.hints import DIRTY, SLOTS, Hints, Watch, build_topic, hint
from standalone.free_ports import free_port
from standalone.servers.postgres import EmbeddedPostgres
from tests.support.eventually import eventually

PATIENCE = 20.0


class Noticed:
    """Counts the hints that reach a watch."""

    def __init__(self, watch: Watch) -> None:
        self.times = 0
        self._watch = watch
        self._task = asyncio.create_task(self._count())

    async def _count(self) -> None:
        while True:
            await self._watch.wait(PATIENCE)
            self.times += 1

    async def is_more_than(self, times: int) -> bool:
        return self.times > times

    def stop(self) -> None:
        self._task.cancel()


@asynccontextmanager
async def noticing(hints: Hints, topic: str) -> AsyncIterator[Noticed]:
    """Count hints from the moment on at which this process listens."""
    async with hints.watching(topic) as watch:
        noticed = Noticed(watch)
        try:
            yield noticed
        finally:
            noticed.stop()


@pytest_asyncio.fixture
async def processes(database_url: str) -> AsyncIterator[tuple[Hints, Hints]]:
    """The hints of two processes, both of them listening."""
    async with Hints(database_url) as one, Hints(database_url) as other:
        await listening(database_url, 2)
        yield one, other


async def listening(url: str, connections: int) -> None:
    watcher = await asyncpg.connect(url)

    async def count() -> int:
        found: int = await watcher.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND (query LIKE 'LISTEN%' OR query LIKE 'SELECT pg_notify%')"
        )
        return found

    try:
        await eventually(count, lambda found: found >= connections)
    finally:
        await watcher.close()


async def test_a_hint_reaches_every_process_and_the_own_one_at_once(processes: tuple[Hints, Hints]) -> None:
    one, other = processes
    async with one.watching(DIRTY) as own, other.watching(DIRTY) as distant:
        one.give(DIRTY)
        await asyncio.gather(own.wait(PATIENCE), distant.wait(PATIENCE))


async def test_a_hint_about_something_else_is_not_heard(processes: tuple[Hints, Hints]) -> None:
    one, other = processes
    async with AsyncExitStack() as stack:
        quiet = await stack.enter_async_context(noticing(other, build_topic("a")))
        loud = await stack.enter_async_context(noticing(other, build_topic("b")))
        before = quiet.times
        one.give(build_topic("b"))
        await eventually(lambda: loud.is_more_than(0))
        assert quiet.times == before


async def test_many_hints_at_once_leave_as_few(database_url: str, processes: tuple[Hints, Hints]) -> None:
    one, _other = processes
    received: list[str] = []
    listener = await asyncpg.connect(database_url)
    await listener.add_listener("slipway", lambda *call: received.append(str(call[-1])))
    for number in range(2000):
        one.give(build_topic(number % 10))
    one.give(SLOTS)

    async def last_was_heard() -> bool:
        return any(SLOTS in payload for payload in received)

    await eventually(last_was_heard)
    assert len(received) <= 3
    assert {topic for payload in received for topic in payload.split()} >= {build_topic(n) for n in range(10)}
    await listener.close()


async def test_more_topics_than_one_message_holds_all_arrive(processes: tuple[Hints, Hints]) -> None:
    one, other = processes
    topics = [build_topic(f"{number:0>36}") for number in range(1000)]
    async with AsyncExitStack() as stack:
        watches = [await stack.enter_async_context(other.watching(topic)) for topic in topics]
        one.give(*topics)
        await asyncio.gather(*(watch.wait(PATIENCE) for watch in watches))


async def test_a_hint_that_came_while_nobody_waited_is_not_lost(processes: tuple[Hints, Hints]) -> None:
    one, _other = processes
    async with one.watching(DIRTY) as watch:
        one.give(DIRTY)
        await watch.wait(PATIENCE)


async def test_who_waits_looks_again_after_a_while_without_any_hint(processes: tuple[Hints, Hints]) -> None:
    async with processes[0].watching("nothing") as watch:
        await watch.wait(0.01)


async def test_watches_leave_nothing_behind(processes: tuple[Hints, Hints]) -> None:
    hints = processes[0]
    async with hints.watching("build/x"), hints.watching("build/x"):
        pass
    hints.give("build/x")
    async with noticing(hints, "build/x") as noticed:
        hints.give("build/x")
        await eventually(lambda: noticed.is_more_than(0))


async def test_hints_go_on_after_postgres_died_and_everybody_looks_once(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    async with AsyncExitStack() as stack:
        folder = tmp_path_factory.mktemp("postgres")
        server = EmbeddedPostgres(folder, free_port(), durable=False)
        await stack.enter_async_context(server)
        one, other = [await stack.enter_async_context(Hints(server.url)) for _process in range(2)]
        await listening(server.url, 2)
        noticed = await stack.enter_async_context(noticing(other, DIRTY))
        before = noticed.times
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        await server.exited()
        one.give(DIRTY)  # never waits, never raises; it may be lost
        await eventually(lambda: noticed.is_more_than(before))
        await server.start()
        await listening(server.url, 2)
        before = noticed.times
        one.give(DIRTY)
        await eventually(lambda: noticed.is_more_than(before))


async def test_a_process_that_starts_before_postgres_hears_hints_later(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    server = EmbeddedPostgres(tmp_path_factory.mktemp("postgres"), free_port(), durable=False)
    async with server:
        await server.stop()
        async with Hints(server.url) as hints:
            await server.start()
            await listening(server.url, 1)
            async with noticing(hints, SLOTS) as noticed:
                hints.give(SLOTS)
                await eventually(lambda: noticed.is_more_than(0))


async def test_a_transaction_hints_when_it_has_committed_and_not_when_it_is_undone(
    processes: tuple[Hints, Hints], database_url: str
) -> None:
    one, other = processes
    database = Database(database_url, pool_size=1, hints=one)
    async with other.watching(DIRTY) as distant, noticing(one, SLOTS) as undone:
        with suppress(LookupError):
            async with database.transaction() as session:
                hint(session, SLOTS)
                raise LookupError
        async with noticing(one, DIRTY) as own:
            async with database.transaction() as session:
                hint(session, DIRTY)
                await database.ping()  # time enough for a hint that came too early
                assert own.times == 0, "what was changed cannot be seen yet"
            await eventually(lambda: own.is_more_than(0))
        await distant.wait(PATIENCE)
        assert undone.times == 0
    await database.close()
