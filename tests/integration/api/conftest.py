"""What tests of the HTTP API share: a running server, and a builder that reports to it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from models.postgres.database import Database
from standalone.servers.postgres import EmbeddedPostgres
from tests.support.builds.api_builds import ReportingBuilder
from tests.support.servers.api_server import RunningApi, running_api
from tests.support.servers.postgres import fresh_database


@pytest_asyncio.fixture
async def server(database_url: str, tmp_path: Path) -> AsyncIterator[RunningApi]:
    async with running_api(database_url, tmp_path) as running:
        yield running


@pytest_asyncio.fixture(scope="module")
async def bystander(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningApi]:
    """A server for requests that change nothing."""
    async with (
        fresh_database(postgres) as url,
        running_api(url, tmp_path_factory.mktemp("bystander")) as running,
    ):
        yield running


@pytest_asyncio.fixture
async def database(server: RunningApi) -> Database:
    """The server's own, whose pool is as small as in use."""
    return server.api.given.requests


@pytest_asyncio.fixture
async def builder(server: RunningApi, database: Database) -> ReportingBuilder:
    builder = ReportingBuilder(database, server.api.given.hints)
    await builder.register()
    return builder
