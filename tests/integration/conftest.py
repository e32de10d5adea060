"""What tests of repositories share: sessions on a database of their own, and builds in it."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import pytest_asyncio

from models.postgres.database import Database
from tests.support.builds.stored_builds import StoredBuilds


@pytest_asyncio.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """Sessions for twenty at once; more wait for their turn."""
    database = Database(database_url, pool_size=20, pool_wait=timedelta(seconds=60))
    yield database
    await database.close()


@pytest.fixture
def builds(database: Database) -> StoredBuilds:
    return StoredBuilds(database)
