"""The way to Postgres: sessions with named errors, and migrations under a lock. Hints between processes: `hints.py`."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, event, exc, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.pool import NullPool

from models.postgres.driver_errors import AWAY, REFUSED, leave_standby, raise_named, reason_of
from models.postgres.hints import Hints, topics_of
from models.rules.errors.database import DATABASE_AWAY, DatabaseReadOnly, DatabaseUnreachable, NameTaken, SchemaUnknown
from models.tables.families import all_tables

log = logging.getLogger(__name__)

Session = AsyncSession  # what a transaction gives, for those who hand it on

_DEFAULT_PORT = 5432
_CONNECT_SECONDS = 3.0
_HOLD_WAIT_SECONDS = 20.0  # a killed process' connection is gone sooner
_STATEMENT_MILLISECONDS = 30_000
_FAREWELL_SECONDS = 0.5  # for each connection, one after the other
# any number that nobody else uses; one key for all that migrates
_MIGRATION_LOCK = 7_120_733_012
_MIGRATIONS = Path(__file__).parent.parent / "migrations"


class _Connection(asyncpg.Connection):
    """One that may be left while Postgres hangs: by itself it would wait for the answer to its farewell for ever."""

    async def close(self, *, timeout: float | None = None) -> None:  # noqa: ASYNC109 - as the driver spells it
        with suppress(TimeoutError):  # then it was cut off
            await super().close(timeout=_FAREWELL_SECONDS if timeout is None else timeout)


class Database:
    """A pool of connections for one purpose (requests, streams, a worker), so that none starves another."""

    def __init__(
        self, url: str, *, pool_size: int, pool_wait: timedelta = timedelta(seconds=5), hints: Hints | None = None
    ) -> None:
        """`url` is postgresql://…; a caller that waits longer than `pool_wait` for a connection gets PoolExhausted.

        `hints` give what transactions hint at, once they have committed.
        """
        self.url = url
        self._hints = hints
        self.exhausted = 0  # how often a caller got PoolExhausted
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
        event.listen(self._engine.sync_engine, "handle_error", leave_standby)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """Give a session whose transaction commits at the end, or rolls back when anything is raised.

        Raises what DATABASE_AWAY names, from the body as well.
        """
        try:
            async with AsyncSession(self._engine, expire_on_commit=False) as session:
                async with session.begin():
                    yield session
                if self._hints is not None:  # committed: who looks now sees what was hinted at
                    self._hints.give(*topics_of(session))
        except (exc.SQLAlchemyError, *AWAY) as error:
            self.exhausted += isinstance(error, exc.TimeoutError)
            raise_named(error)

    async def ping(self) -> None:
        """Raise DatabaseUnreachable when Postgres takes no new connection, though those of the pool may still work.

        Raises DatabaseReadOnly when what answers is a standby, or takes no writes for another reason.
        """
        try:
            connection = await asyncpg.connect(self.url, timeout=_CONNECT_SECONDS, connection_class=_Connection)
        except (*AWAY, *REFUSED) as error:
            raise_named(error)
        settings = connection.get_settings()  # told by Postgres itself with each connection
        await connection.close()
        if "on" in {settings.default_transaction_read_only, settings.in_hot_standby}:
            raise DatabaseReadOnly("The database takes no changes just now: it is a standby, or was set read-only.")

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
        except (exc.SQLAlchemyError, *AWAY) as error:
            raise_named(error)
        finally:
            await engine.dispose()

    @asynccontextmanager
    async def sole_holder(self, name: str) -> AsyncIterator[None]:
        """Hold a name that no other process may hold at once; raise NameTaken when one still does after a while.

        Raises what DATABASE_AWAY names when it cannot even ask.
        """
        try:
            connection = await asyncpg.connect(self.url, timeout=_CONNECT_SECONDS, command_timeout=_HOLD_WAIT_SECONDS)
        except (*AWAY, asyncpg.PostgresError) as error:
            raise_named(error)
        try:
            try:
                await connection.execute("SELECT pg_advisory_lock(hashtextextended($1, 0))", name)
            except TimeoutError as error:
                raise NameTaken(
                    f"Another process is running as '{name}' on this database; give this one another name."
                ) from error
            except (OSError, asyncpg.PostgresError) as error:
                raise_named(error)
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
