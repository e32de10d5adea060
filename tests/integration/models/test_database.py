"""The way to Postgres itself, whatever is stored there."""

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import URL, make_url, text

from models.postgres.database import Database, reason_of
from models.rules.errors.database import DatabaseUnreachable


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


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        (lambda url: url.set(password="not-this-one"), "password authentication failed"),
        (lambda url: url.set(database="no_such_database"), "does not exist"),
    ],
    ids=["password", "database"],
)
async def test_a_wrong_database_url_is_a_database_out_of_reach_that_says_why(
    database_url: str, changed: Callable[[URL], URL], reason: str
) -> None:
    url = changed(make_url(database_url)).render_as_string(hide_password=False)
    database = Database(url, pool_size=1)
    with pytest.raises(DatabaseUnreachable) as refused:
        await database.ping()
    assert reason in reason_of(refused.value)
    assert "not-this-one" not in reason_of(refused.value)
    await database.close()
