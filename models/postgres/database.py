"""The way to Postgres: sessions with named errors, and migrations under a lock. Hints between processes: `hints.py`."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import NoReturn

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, event, exc, text
from sqlalchemy.engine import URL, ExceptionContext, make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.pool import NullPool

from models.rules.errors.database import (
    DATABASE_AWAY,
    DatabaseBusy,
    DatabaseFull,
    DatabaseReadOnly,
    DatabaseUnreachable,
    NameTaken,
    PoolExhausted,
    SchemaUnknown,
)
from models.rules.errors.domain import DomainError
from models.tables.families import all_tables

log = logging.getLogger(__name__)

Session = AsyncSession  # what a transaction gives, for those who hand it on

_DEFAULT_PORT = 5432
_CONNECT_SECONDS = 3.0
_HOLD_WAIT_SECONDS = 20.0  # a killed process' connection is gone sooner
_STATEMENT_MILLISECONDS = 30_000
_FAREWELL_SECONDS = 0.5  # for each connection, one after the other
_LONGEST_REASON = 200
_RETRY_AFTER = timedelta(seconds=2)
_RETRY_WHEN_FULL_AFTER = timedelta(seconds=30)  # somebody has to make room first
# any number that nobody else uses; one key for all that migrates
_MIGRATION_LOCK = 7_120_733_012
_MIGRATIONS = Path(__file__).parent.parent / "migrations"
# what asyncpg raises while a server is starting, stopping, gone or full
_AWAY = (OSError, TimeoutError, asyncpg.PostgresConnectionError, asyncpg.CannotConnectNowError)
_BUSY = (
    *(asyncpg.DeadlockDetectedError, asyncpg.SerializationError, asyncpg.QueryCanceledError),
    *(asyncpg.LockNotAvailableError, asyncpg.IdleInTransactionSessionTimeoutError),
    asyncpg.InsufficientResourcesError,  # memory, or a limit of its configuration; the others of its class come before
)
_FULL = (asyncpg.DiskFullError, asyncpg.PostgresIOError)
_REFUSED = (
    *(asyncpg.AdminShutdownError, asyncpg.CrashShutdownError, asyncpg.TooManyConnectionsError),
    *(asyncpg.DatabaseDroppedError, asyncpg.IdleSessionTimeoutError),
    *(asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError),  # a wrong DATABASE_URL
)


class _Connection(asyncpg.Connection):
    """One that may be left while Postgres hangs: by itself it would wait for the answer to its farewell for ever."""

    async def close(self, *, timeout: float | None = None) -> None:  # noqa: ASYNC109 - as the driver spells it
        with suppress(TimeoutError):  # then it was cut off
            await super().close(timeout=_FAREWELL_SECONDS if timeout is None else timeout)


class Database:
    """A pool of connections for one purpose (requests, streams, a worker), so that none starves another."""

    def __init__(self, url: str, *, pool_size: int, pool_wait: timedelta = timedelta(seconds=5)) -> None:
        """`url` is postgresql://…; a caller that waits longer than `pool_wait` for a connection gets PoolExhausted."""
        self.url = url
        self.address = _address(make_url(url))  # host:port/database, to be shown: no user, no password
        self._engine: AsyncEngine = create_async_engine(
            _with_driver(url),
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=pool_wait.total_seconds(),
            pool_pre_ping=True,
            hide_parameters=True,  # an error's text goes to the log, and parameters hold what callers sent
            connect_args={
                "connection_class": _Connection,
                "timeout": _CONNECT_SECONDS,
                "command_timeout": _STATEMENT_MILLISECONDS / 1000 + 5,
                "server_settings": {
                    "statement_timeout": str(_STATEMENT_MILLISECONDS),
                    "idle_in_transaction_session_timeout": "60000",
                    "timezone": "UTC",
                    "application_name": "slipway",
                },
            },
        )

        # what takes no writes any more was the primary once: leave it, and all connections from before, for the new one
        event.listen(self._engine.sync_engine, "handle_error", _leave_standby)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """Give a session whose transaction commits at the end, or rolls back when anything is raised.

        Raises what DATABASE_AWAY names, from the body as well.
        """
        try:
            async with AsyncSession(self._engine, expire_on_commit=False) as session, session.begin():
                yield session
        except (exc.SQLAlchemyError, *_AWAY) as error:
            _raise_named(error)

    async def ping(self) -> None:
        """Raise DatabaseUnreachable when Postgres takes no new connection, though those of the pool may still work."""
        try:
            connection = await asyncpg.connect(self.url, timeout=_CONNECT_SECONDS, connection_class=_Connection)
        except (*_AWAY, *_REFUSED) as error:
            _raise_named(error)
        await connection.close()

    async def migrate(self) -> None:
        """Bring the schema up to date, however long it takes; any number of processes at once.

        Raises SchemaUnknown, DatabaseUnreachable, DatabaseBusy.
        """
        # a connection of its own: those of the pool end each statement after a while, on both sides
        unlimited = {"statement_timeout": "0", "lock_timeout": "0", "timezone": "UTC", "application_name": "slipway"}
        engine = create_async_engine(
            _with_driver(self.url),
            poolclass=NullPool,
            connect_args={
                "connection_class": _Connection,
                "timeout": _CONNECT_SECONDS,
                "command_timeout": None,
                "server_settings": unlimited,
            },
        )
        try:
            async with engine.connect() as connection:
                await _migrate_under_lock(connection)
        except (exc.SQLAlchemyError, *_AWAY) as error:
            _raise_named(error)
        finally:
            await engine.dispose()

    @asynccontextmanager
    async def sole_holder(self, name: str) -> AsyncIterator[None]:
        """Hold a name that no other process may hold at once; raise NameTaken when one still does after a while.

        Raises what DATABASE_AWAY names when it cannot even ask.
        """
        try:
            connection = await asyncpg.connect(self.url, timeout=_CONNECT_SECONDS, command_timeout=_HOLD_WAIT_SECONDS)
        except (*_AWAY, asyncpg.PostgresError) as error:
            _raise_named(error)
        try:
            try:
                await connection.execute("SELECT pg_advisory_lock(hashtextextended($1, 0))", name)
            except TimeoutError as error:
                raise NameTaken(
                    f"Another process is running as '{name}' on this database; give this one another name."
                ) from error
            except (OSError, asyncpg.PostgresError) as error:
                _raise_named(error)
            yield
        finally:
            connection.terminate()

    async def close(self) -> None:
        await self._engine.dispose()


def _address(url: URL) -> str:
    host = url.host or url.query.get("host") or "localhost"
    shown = f"[{host}]" if ":" in host else host
    return f"{shown}:{url.port or _DEFAULT_PORT}/{url.database or ''}"


def _with_driver(url: str) -> URL:
    return make_url(url).set(drivername="postgresql+asyncpg")


async def _migrate_under_lock(connection: AsyncConnection) -> None:
    await connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _MIGRATION_LOCK})
    try:
        await connection.commit()
        await connection.run_sync(_upgrade)
        await connection.commit()
    finally:
        await connection.rollback()
        await connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _MIGRATION_LOCK})
        await connection.commit()


def _upgrade(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    config.attributes["tables"] = all_tables()
    scripts = ScriptDirectory.from_config(config)
    known = {script.revision for script in scripts.walk_revisions()}
    present = MigrationContext.configure(connection).get_current_revision()
    if present is not None and present not in known:
        raise SchemaUnknown(
            f"The database has schema {present}, which this release does not know: it was migrated by a newer Slipway."
            " Start that release, or restore a backup from before."
        )
    if present != scripts.get_current_head():
        log.info("database_migrating", extra={"present": present, "wanted": scripts.get_current_head()})
        command.upgrade(config, "head")


def _raise_named(error: Exception) -> NoReturn:
    """Raise what the error means; what is a defect of ours goes on as it is."""
    if isinstance(error, exc.TimeoutError):
        raise PoolExhausted("Too many requests at once; try again in a moment.", retry_after=_RETRY_AFTER) from error
    root = _root(error)
    if isinstance(root, (*_FULL, asyncpg.ReadOnlySQLTransactionError)):
        _raise_unwritable(error, root)
    is_away = isinstance(error, exc.DBAPIError) and error.connection_invalidated
    if is_away or isinstance(root, (*_AWAY, *_REFUSED)) or isinstance(error, _AWAY):
        raise DatabaseUnreachable(
            "The database cannot be reached; nothing was changed. Try again in a moment.", retry_after=_RETRY_AFTER
        ) from error
    if isinstance(root, _BUSY):
        raise DatabaseBusy(
            "The database is too busy for this; nothing was changed. Try again in a moment.", retry_after=_RETRY_AFTER
        ) from error
    raise error


def _raise_unwritable(error: Exception, root: BaseException) -> NoReturn:
    is_full = isinstance(root, _FULL)
    # no caller can do anything about it: let whoever runs the database read it
    log.error("database_not_writable", extra={"reason": str(root).partition("\n")[0][:_LONGEST_REASON]})
    if is_full:
        raise DatabaseFull(
            "The database cannot write, because its disk is full or failing; nothing was changed. Try again when there"
            " is room.",
            retry_after=_RETRY_WHEN_FULL_AFTER,
        ) from error
    raise DatabaseReadOnly(
        "The database takes no changes just now; nothing was changed. Try again in a moment.",
        retry_after=_RETRY_AFTER,
    ) from error


def _leave_standby(context: ExceptionContext) -> None:
    if isinstance(_root(context.original_exception), asyncpg.ReadOnlySQLTransactionError):
        context.is_disconnect = True


def _root(error: BaseException) -> BaseException | None:
    """Return what the driver raised."""
    cause = error.orig if isinstance(error, exc.DBAPIError) else error
    return cause.__cause__ if cause is not None and cause.__cause__ is not None else cause


def reason_of(error: DomainError) -> str:
    """Say in the driver's words why the database could not be used: for logs, since no caller can act on it."""
    root = _root(error.__cause__) if error.__cause__ is not None else None
    if isinstance(root, TimeoutError) and not str(root):
        return "no answer in time"
    if isinstance(root, OSError) and root.errno is not None:  # in words: the address stands beside it
        return (os.strerror(root.errno) if root.errno > 0 else root.strerror) or type(root).__name__
    return str(root or error.detail).partition("\n")[0][:_LONGEST_REASON] or type(root).__name__


async def wait_until_migrated(database: Database, *, patience: timedelta) -> None:
    """Migrate, trying again while Postgres is away; raise what DATABASE_AWAY names after `patience`."""
    deadline = asyncio.get_running_loop().time() + patience.total_seconds()
    while True:
        try:
            await database.migrate()
        except DATABASE_AWAY as error:
            reason = reason_of(error)
            is_late = asyncio.get_running_loop().time() > deadline
            if is_late and not isinstance(error, DatabaseUnreachable):
                raise
            if is_late:
                raise DatabaseUnreachable(
                    f"The database at {database.address} cannot be reached ({reason}); start it, or set DATABASE_URL"
                    " to one that runs."
                ) from error
            log.warning(
                "database_unreachable", extra={"address": database.address, "reason": reason, "retry_in_seconds": 1}
            )
            await asyncio.sleep(1)
        else:
            return
