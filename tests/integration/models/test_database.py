"""The way to Postgres itself, whatever is stored there."""

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import asyncpg
import pytest
from sqlalchemy import URL, exc, make_url, text

from models.postgres.database import Database
from models.postgres.driver_errors import reason_of
from models.rules.errors.database import (
    DatabaseBusy,
    DatabaseFull,
    DatabaseReadOnly,
    DatabaseUnreachable,
)
from models.rules.errors.domain import DomainError
from tests.support.eventually import eventually


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


# what Postgres says by these, whatever the statement: its manual, appendix A
WORDS_OF_POSTGRES = [
    ("53100", DatabaseFull),  # disk_full
    ("58030", DatabaseFull),  # io_error
    ("25006", DatabaseReadOnly),  # read_only_sql_transaction
    ("53200", DatabaseBusy),  # out_of_memory
    ("53400", DatabaseBusy),  # configuration_limit_exceeded
    ("53000", DatabaseBusy),  # insufficient_resources
    ("40001", DatabaseBusy),  # serialization_failure
    ("55P03", DatabaseBusy),  # lock_not_available
    ("53300", DatabaseUnreachable),  # too_many_connections
    ("57P01", DatabaseUnreachable),  # admin_shutdown
    ("57P02", DatabaseUnreachable),  # crash_shutdown
    ("57P03", DatabaseUnreachable),  # cannot_connect_now
    ("57P04", DatabaseUnreachable),  # database_dropped
    ("57P05", DatabaseUnreachable),  # idle_session_timeout
    ("08006", DatabaseUnreachable),  # connection_failure
]


@pytest.mark.parametrize(("sqlstate", "meant"), WORDS_OF_POSTGRES)
async def test_what_postgres_cannot_do_just_now_is_said_and_may_be_tried_again(
    database_url: str, sqlstate: str, meant: type[DomainError]
) -> None:
    database = Database(database_url, pool_size=1)
    with pytest.raises(meant) as refused:
        async with database.transaction() as session:
            await session.execute(text(f"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{sqlstate}'; END $$"))
    assert (refused.value.status, refused.value.retryable) == (503, True)
    assert refused.value.retry_after is not None
    await database.ping()
    await database.close()


@pytest.mark.parametrize("sqlstate", ["42501", "23514", "XX001", "22012"])
async def test_what_is_a_defect_stays_one(database_url: str, sqlstate: str) -> None:
    database = Database(database_url, pool_size=1)
    with pytest.raises(exc.DBAPIError):
        async with database.transaction() as session:
            await session.execute(text(f"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{sqlstate}'; END $$"))
    await database.close()


async def test_after_a_failover_the_next_request_finds_the_new_primary(database_url: str) -> None:
    """A pool that is full of connections to what became a standby must not go on with them."""
    name = make_url(database_url).database
    operator = await asyncpg.connect(database_url, server_settings={"default_transaction_read_only": "off"})
    await operator.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    database = Database(database_url, pool_size=2)
    async with database.transaction() as first, database.transaction() as second:
        for session in (first, second):
            await session.execute(text("SELECT 1"))  # both connections are there, and take no writes
    with pytest.raises(DatabaseReadOnly):
        await database.ping()
    await operator.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
    with pytest.raises(DatabaseReadOnly):
        await _write(database)
    await database.ping()
    for _time in range(2):
        await _write(database)
    await database.close()
    await operator.close()


async def _write(database: Database) -> None:
    async with database.transaction() as session:
        await session.execute(text("CREATE TEMPORARY SEQUENCE IF NOT EXISTS written"))
        await session.execute(text("CREATE TABLE IF NOT EXISTS written_by_test (number integer)"))


async def test_who_cannot_even_ask_for_a_name_is_told_of_the_database(database_url: str) -> None:
    for changed in ({"password": "not-this-one"}, {"database": "no_such_database"}, {"port": 1}):
        url = make_url(database_url).set(**changed).render_as_string(hide_password=False)
        with pytest.raises(DatabaseUnreachable):
            async with Database(url, pool_size=1).sole_holder("builder one"):
                pass


async def test_who_is_cut_off_while_he_waits_for_a_name_is_told_of_the_database(database_url: str) -> None:
    database = Database(database_url, pool_size=1)
    waits = text("SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")

    async def waiting_pid() -> int | None:
        async with database.transaction() as session:
            return (await session.execute(waits)).scalar_one_or_none()

    async def hold() -> None:
        async with database.sole_holder("builder one"):
            pass

    async with database.sole_holder("builder one"):
        second = asyncio.create_task(hold())
        pid = await eventually(waiting_pid, lambda found: found is not None)
        async with database.transaction() as session:
            await session.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
        with pytest.raises(DatabaseUnreachable):
            await second
    await database.close()
