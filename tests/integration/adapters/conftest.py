"""What tests of the engine's adapter share: they all run on each engine."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from activities.adapters.docker.engine import DockerEngine
from tests.support.engine.engine_images import Workshop, open_workshop
from tests.support.engine.engines_under_test import ENGINES, EngineUnderTest, engine_under_test


@pytest_asyncio.fixture(scope="session", params=ENGINES)
async def docker(request: pytest.FixtureRequest) -> AsyncIterator[EngineUnderTest]:
    async with engine_under_test(request.param) as engine:
        yield engine


@pytest_asyncio.fixture
async def workshop(docker: EngineUnderTest, tmp_path: Path) -> AsyncIterator[Workshop]:
    async with open_workshop(tmp_path, DockerEngine(docker.url)) as opened:
        yield opened
