"""What tests of workflows share: a real Temporal, and builds that run on it."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from standalone.servers.postgres import EmbeddedPostgres
from standalone.servers.temporal import TemporalDevServer
from tests.support.builds.build_trials import Trials, stored_trials, temporal_server
from tests.support.servers.postgres import fresh_database


@pytest_asyncio.fixture(scope="module")
async def temporal(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[TemporalDevServer]:
    async with temporal_server(tmp_path_factory.mktemp("temporal")) as server:
        yield server


@pytest_asyncio.fixture(scope="module")
async def trials(temporal: TemporalDevServer, postgres: EmbeddedPostgres) -> AsyncIterator[Trials]:
    async with fresh_database(postgres) as url, stored_trials(temporal.address, url) as trials:
        yield trials
