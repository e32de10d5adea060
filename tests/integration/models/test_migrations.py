import asyncio
import re
from datetime import timedelta
from functools import partial
from typing import Any

import asyncpg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine

from api.health.migration import Migration
from models.postgres.database import Database, wait_until_migrated
from models.rules.errors.database import DatabaseUnreachable, SchemaUnfinished, SchemaUnknown
from models.rules.errors.domain import DomainError
from models.tables.families import all_tables
from standalone.free_ports import LOOPBACK, free_port
from standalone.servers.postgres import EmbeddedPostgres
from tests.support.eventually import eventually

CONTRACTS_TABLES = {
    *("builds", "build_states", "build_failures", "build_artifacts", "build_variables", "resumable_states"),
    *("resume_requests", "build_jobs", "docker_images", "products", "projects"),
}
LEFT_FOR_THE_RELEASE_BEFORE = {"dirty_builds"}  # a later release drops it


def differences(connection: Connection) -> list[object]:
    """Return how the database differs from the models; a day's partition of logs is no model's table."""

    def is_ours(_object: object, name: str | None, kind: str, *_more: object) -> bool:
        is_left = name in LEFT_FOR_THE_RELEASE_BEFORE
        return not (kind == "table" and (is_left or str(name).startswith(("log_chunks_", "alembic_"))))

    options = {"compare_type": True, "compare_server_default": False, "include_object": is_ours}
    return list(compare_metadata(MigrationContext.configure(connection, opts=options), all_tables()))


async def test_the_database_is_what_the_models_say(database_url: str) -> None:
    engine = create_async_engine(make_url(database_url).set(drivername="postgresql+asyncpg"))
    async with engine.connect() as connection:
        found = await connection.run_sync(differences)
    await engine.dispose()
    assert not found


async def test_tables_bear_the_contracts_names(database: Database) -> None:
    async with database.transaction() as session:
        tables = set(await session.scalars(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")))
    assert tables >= CONTRACTS_TABLES


async def test_every_index_and_check_of_the_models_is_in_the_database(database: Database) -> None:
    wanted = {str(index.name) for table in all_tables().tables.values() for index in table.indexes}
    wanted |= {str(each.name) for table in all_tables().tables.values() for each in table.constraints if each.name}
    async with database.transaction() as session:
        there = set(await session.scalars(text("SELECT indexname FROM pg_indexes WHERE schemaname = 'public'")))
        there |= set(await session.scalars(text("SELECT conname FROM pg_constraint")))
    assert wanted <= there


async def test_times_are_stored_with_their_zone(database: Database) -> None:
    query = (
        "SELECT table_name, column_name FROM information_schema.columns WHERE data_type = 'timestamp without time zone'"
    )
    async with database.transaction() as session:
        assert not (await session.execute(text(f"{query} AND table_schema = 'public'"))).all()


async def test_any_number_of_processes_may_migrate_at_once(postgres: EmbeddedPostgres) -> None:
    url = await postgres.create_database("migrated_by_many")
    databases = [Database(url, pool_size=1) for _process in range(8)]
    await asyncio.gather(*(database.migrate() for database in databases))
    async with databases[0].transaction() as session:
        assert await session.scalar(text("SELECT count(*) FROM installation")) == 1
    await asyncio.gather(*(database.close() for database in databases))


async def test_a_repeated_migration_keeps_who_this_installation_is(database: Database) -> None:
    instance = text("SELECT instance FROM installation")
    async with database.transaction() as session:
        before = await session.scalar(instance)
    await database.migrate()
    async with database.transaction() as session:
        assert await session.scalar(instance) == before


async def test_a_database_of_a_newer_release_is_refused_and_left_alone(database: Database) -> None:
    async with database.transaction() as session:
        await session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SchemaUnknown, match="9999"):
        await database.migrate()
    async with database.transaction() as session:
        assert await session.scalar(text("SELECT version_num FROM alembic_version")) == "9999"


async def test_no_session_is_without_a_limit_after_a_migration(database_url: str) -> None:
    database = Database(database_url, pool_size=1)
    await database.migrate()
    async with database.transaction() as session:
        assert await session.scalar(text("SHOW statement_timeout")) == "30s"
    await database.close()


async def test_a_migration_minds_no_limit_of_statements_and_needs_no_connection_of_the_pool(
    postgres: EmbeddedPostgres,
) -> None:
    url = await postgres.create_database("migrated_without_hurry")
    admin = await asyncpg.connect(url)
    await admin.execute("ALTER DATABASE migrated_without_hurry SET statement_timeout = 1")
    await admin.close()
    database = Database(url, pool_size=1)
    async with database.transaction():  # the only one
        await database.migrate()
    async with database.transaction() as session:
        assert await session.scalar(text("SELECT count(*) FROM installation")) == 1
    await database.close()


async def test_the_api_tries_a_failed_migration_again_and_tells_why(postgres: EmbeddedPostgres) -> None:
    url = await postgres.create_database("migrated_later")
    admin = await asyncpg.connect(url)
    await admin.execute("CREATE TABLE installation (other int)")  # in the way: none of ours
    database = Database(url, pool_size=1)
    async with Migration(database) as migration:
        assert await eventually(lambda: reason(migration)) == DatabaseUnreachable.code
        await eventually(lambda: reason(migration), lambda code: code == SchemaUnfinished.code)
    await admin.execute("DROP TABLE installation")
    async with Migration(database) as migration:
        await eventually(lambda: reason(migration), lambda code: code == "")
    await admin.execute("UPDATE alembic_version SET version_num = '9999'")
    async with Migration(database) as migration:
        await eventually(lambda: reason(migration), lambda code: code == SchemaUnknown.code)
    await admin.close()
    await database.close()


async def reason(migration: Migration) -> str:
    try:
        migration.check()
    except DomainError as error:
        return error.code
    return ""


async def test_a_database_that_is_away_is_named_as_such(caplog: pytest.LogCaptureFixture) -> None:
    address = f"{LOOPBACK}:{free_port()}/builds"
    database = Database(f"postgresql://someone:hunter2@{address}", pool_size=1)
    with pytest.raises(DatabaseUnreachable) as raised:
        await wait_until_migrated(database, patience=timedelta(0))
    assert raised.value.detail == (
        f"The database at {address} cannot be reached (Connection refused); start it, or set DATABASE_URL"
        " to one that runs."
    )
    waiting = asyncio.create_task(wait_until_migrated(database, patience=timedelta(minutes=5)))
    async with Migration(database):
        for event in ("database_unreachable", "schema_not_usable"):
            line = await eventually(partial(logged, caplog, event))
            assert line is not None
            assert (line["address"], line["reason"]) == (address, "Connection refused")
            assert not {"someone", "hunter2"} & set(re.findall(r"\w+", str(line)))
    waiting.cancel()
    with pytest.raises(DatabaseUnreachable):
        await hold(database, "builder b")
    await database.close()


async def logged(caplog: pytest.LogCaptureFixture, event: str) -> dict[str, Any] | None:
    return next((vars(record) for record in caplog.records if record.msg == event), None)


async def test_two_processes_never_bear_one_name(database_url: str) -> None:
    database = Database(database_url, pool_size=1)
    admin = await asyncpg.connect(database_url)
    await admin.execute("SELECT pg_advisory_lock(hashtextextended('builder b', 0))")
    waiting = asyncio.create_task(hold(database, "builder b"))
    async with database.sole_holder("builder another"):
        assert not waiting.done()
    await admin.close()
    await waiting
    await database.close()


async def hold(database: Database, name: str) -> None:
    async with database.sole_holder(name):
        return
