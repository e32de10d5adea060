"""Databases for tests: each test its own, copied from one that was migrated once."""

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg

from models.postgres.database import Database
from standalone.free_ports import LOOPBACK, free_port
from standalone.servers.postgres import ROLE, EmbeddedPostgres, password

_TEMPLATE = "migrated"
_PATIENCE = 20
_numbers = itertools.count(1)


@asynccontextmanager
async def migrated_postgres(folder: Path) -> AsyncIterator[EmbeddedPostgres]:
    """Run a Postgres of the tests' own, which holds a migrated template database."""
    async with EmbeddedPostgres(folder, free_port(), durable=False) as server:
        database = Database(await server.create_database(_TEMPLATE), pool_size=1)
        await database.migrate()
        await database.close()  # a template with sessions cannot be copied
        yield server


@asynccontextmanager
async def fresh_database(server: EmbeddedPostgres) -> AsyncIterator[str]:
    """Yield the URL of a migrated, empty database, which is dropped with its sessions afterwards."""
    name = f"test_{next(_numbers)}"
    await _execute(server, f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE} OWNER {ROLE}")
    try:
        yield server.url_of(name)
    finally:
        await _execute(server, f"DROP DATABASE {name} WITH (FORCE)")


async def _execute(server: EmbeddedPostgres, statement: str) -> None:
    admin = await asyncpg.connect(
        host=LOOPBACK,
        port=server.port,
        user="postgres",
        password=password(server.data_dir),
        database="postgres",
        timeout=_PATIENCE,
        command_timeout=_PATIENCE,
    )
    try:
        await admin.execute(statement)
    finally:
        await admin.close()
