"""The way to Postgres itself, whatever is stored there."""

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import text

from models.database import Database


@contextmanager
def held_up(pid: int) -> Iterator[None]:
    """Let a process hang."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


async def test_a_process_can_leave_a_postgres_that_hangs(database_url: str) -> None:
    database = Database(database_url, pool_size=2)
    query = text("SELECT pg_backend_pid()")
    async with database.transaction() as first, database.transaction() as second:
        pids = [(await session.execute(query)).scalar_one() for session in (first, second)]
    with held_up(pids[0]), held_up(pids[1]):
        async with asyncio.timeout(60):  # the driver by itself waits for ever
            await database.close()
