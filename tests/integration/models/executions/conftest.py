"""What tests of attempts and their builders share."""

import pytest

from models.postgres.database import Database
from tests.support.builds.fenced_executions import Fence


@pytest.fixture
def fence(database: Database) -> Fence:
    return Fence(database)
