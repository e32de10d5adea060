"""Logs on their way to a Postgres that goes away while it commits, so that nobody knows what it stored."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest
import pytest_asyncio

from activities.log.shipper import LogShipper, ShippedLog
from models.postgres.database import Database
from models.postgres.hints import Hints
from models.repositories.builder import BuilderReport, BuilderRepository
from models.repositories.execution import ExecutionRepository
from models.repositories.log.chunks import LogChunks
from models.repositories.log.days import LogDays
from models.rules.errors.database import DATABASE_AWAY
from models.tables.execution import BuildExecution
from tests.support.builds.stored_builds import StoredBuilds
from tests.support.eventually import eventually
from tests.support.fakes.memory_engine import MemoryBuild
from tests.support.servers.postgres_proxy import Fate, PostgresProxy

BUILDER = "host-1"
BEFORE, DOUBTFUL, AFTER = b"before\n", b"in doubt\n", b"after\n"


@dataclass(frozen=True)
class Shipping:
    """An attempt's log, shipped over a way that breaks and read over one that does not."""

    builds: StoredBuilds
    execution: BuildExecution
    log: MemoryBuild
    proxy: PostgresProxy
    shipper: LogShipper

    @property
    def token(self) -> int:
        return self.execution.token or 0

    async def stored(self) -> bytes:
        async with self.builds.database.transaction() as session:
            return (await LogChunks(session).read(self.token, self.execution.log_day, 0, 10**9)).data

    async def holds(self, data: bytes) -> None:
        await eventually(self.stored, lambda stored: stored == data)

    async def finish(self) -> ShippedLog:
        """Finish as executions do: again and again while Postgres is away."""
        async with asyncio.timeout(30):
            while True:
                with suppress(*DATABASE_AWAY):
                    return await self.shipper.finish(self.token)

    async def meet(self, fate: Fate) -> None:
        """Return when the commit has broken; a late one is made when the same bytes are about to be stored again."""
        await asyncio.wait_for(self.proxy.has_broken.wait(), 30)
        if fate == Fate.MADE_LATE:
            await eventually(self._is_waiting_for_a_lock)
            self.proxy.may_commit.set()

    async def _is_waiting_for_a_lock(self) -> bool:
        [found] = await self.builds.fetch(
            "SELECT count(*) AS waiting FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return bool(found["waiting"])


@pytest_asyncio.fixture
async def shipping(
    database: Database, database_url: str, builds: StoredBuilds, tmp_path: Path
) -> AsyncIterator[Shipping]:
    build = await builds.running(at=40)
    async with database.transaction() as session:
        await LogDays(session).prepare()
        await BuilderRepository(session).register(BuilderReport(BUILDER, uuid4(), 1, None, None, is_limited=False))
        execution, _is_new = await ExecutionRepository(session).open_execution(build.build_id, "run-1", BUILDER)
    async with PostgresProxy(database_url) as proxy, Hints(database_url) as hints:
        over_the_proxy = Database(proxy.url, pool_size=2)
        log = MemoryBuild(tmp_path / "build.log", lambda: None)
        yield Shipping(builds, execution, log, proxy, LogShipper(over_the_proxy, hints))
        await over_the_proxy.close()


@pytest.mark.parametrize("fate", Fate)
async def test_a_log_goes_on_over_a_commit_in_doubt_and_no_byte_is_lost_or_doubled(
    shipping: Shipping, fate: Fate
) -> None:
    async with shipping.shipper as shipper:
        shipper.add(shipping.execution, shipping.log)
        shipping.log.write(BEFORE)
        await shipping.holds(BEFORE)
        shipping.proxy.break_next_commit(fate)
        shipping.log.write(DOUBTFUL)
        await shipping.meet(fate)
        shipping.log.write(AFTER)
        await shipping.holds(BEFORE + DOUBTFUL + AFTER)
        whole = await shipping.finish()
    assert whole == ShippedLog(len(BEFORE + DOUBTFUL + AFTER), (BEFORE + DOUBTFUL + AFTER).decode())


@pytest.mark.parametrize("fate", Fate)
async def test_the_last_bytes_of_a_log_are_stored_once_whatever_became_of_their_commit(
    shipping: Shipping, fate: Fate
) -> None:
    shipping.shipper.add(shipping.execution, shipping.log)  # nobody ships but who finishes
    shipping.log.write(BEFORE)
    await shipping.finish()
    shipping.proxy.break_next_commit(fate)
    shipping.log.write(DOUBTFUL)
    finishing = asyncio.create_task(shipping.finish())
    await shipping.meet(fate)
    whole = await finishing
    assert whole == ShippedLog(len(BEFORE + DOUBTFUL), (BEFORE + DOUBTFUL).decode())
    assert await shipping.stored() == BEFORE + DOUBTFUL
