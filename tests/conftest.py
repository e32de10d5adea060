"""What tests of every kind share: a Postgres of their own, and an end that keeps the exit code."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from process.ending import end_process
from standalone.servers.postgres import EmbeddedPostgres
from tests.support.servers.postgres import fresh_database, migrated_postgres

_SESSION = pytest.StashKey[pytest.Session]()


@pytest_asyncio.fixture(scope="session")
async def postgres(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmbeddedPostgres]:
    """One server for all tests; who stops it starts it again."""
    async with migrated_postgres(tmp_path_factory.mktemp("postgres")) as server:
        yield server


@pytest_asyncio.fixture
async def database_url(postgres: EmbeddedPostgres) -> AsyncIterator[str]:
    """A migrated, empty database for one test."""
    async with fresh_database(postgres) as url:
        yield url


def pytest_sessionstart(session: pytest.Session) -> None:
    session.config.stash[_SESSION] = session


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    # tests open Temporal clients, after which an ordinary exit may crash and lose the code: process_exit.py
    session = config.stash.get(_SESSION, None)
    if session is not None:
        end_process(int(session.exitstatus))
