"""What tests of builds share."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from models.postgres.database import Database
from models.postgres.hints import Hints
from tests.support.builds.builder_hosts import Hosts


@pytest_asyncio.fixture
async def hosts(database: Database, database_url: str, tmp_path: Path) -> AsyncIterator[Hosts]:
    async with Hints(database_url) as hints:
        yield Hosts(database, hints, tmp_path)
