"""What tests of every kind share: a Postgres of their own, and an end that keeps the exit code."""

import os
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


def pytest_report_header() -> str:
    return "" if _is_root() else "an ordinary user runs these: without what starts a Docker engine of its own"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if _is_root():
        return
    beyond = [item for item in items if item.get_closest_marker("own_engine") or _is_on_another_engine(item)]
    config.hook.pytest_deselected(items=beyond)
    items[:] = [item for item in items if item not in beyond]


def _is_root() -> bool:
    return os.geteuid() == 0


def _is_on_another_engine(item: pytest.Item) -> bool:
    return isinstance(item, pytest.Function) and _engine_of(item) != "machine"


def _engine_of(item: pytest.Function) -> object:
    return item.callspec.params.get("engine_host", "machine") if hasattr(item, "callspec") else "machine"


def pytest_sessionstart(session: pytest.Session) -> None:
    session.config.stash[_SESSION] = session


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    # tests open Temporal clients, after which an ordinary exit may crash and lose the code: process_exit.py
    session = config.stash.get(_SESSION, None)
    if session is not None:
        end_process(int(session.exitstatus))
