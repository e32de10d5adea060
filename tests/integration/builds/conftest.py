"""What tests of builds share."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from models.postgres.database import Database
from models.postgres.hints import Hints
from tests.support.builds.builder_hosts import Hosts
from tests.support.builds.registry import Registry
from tests.support.builds.stored_builds import StoredBuilds


@pytest_asyncio.fixture
async def hosts(database: Database, database_url: str, tmp_path: Path) -> AsyncIterator[Hosts]:
    async with Hints(database_url) as hints:
        yield Hosts(database, hints, tmp_path)


@pytest_asyncio.fixture
async def registry(hosts: Hosts, builds: StoredBuilds) -> AsyncIterator[Registry]:
    async with hosts.running("host-1") as host:
        yield Registry(builds, host)
