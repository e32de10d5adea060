"""What tests of the engine's adapter share: they all run on each engine, by each way of building."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support.engine.engine_images import Workshop, open_workshop
from tests.support.engine.engines_under_test import ENGINES, WAYS, EngineUnderTest, by_way, engine_under_test


@pytest_asyncio.fixture(scope="session", params=ENGINES)
async def engine_host(request: pytest.FixtureRequest) -> AsyncIterator[EngineUnderTest]:
    async with engine_under_test(request.param) as engine:
        yield engine


@pytest_asyncio.fixture(scope="session", params=WAYS)
async def docker(engine_host: EngineUnderTest, request: pytest.FixtureRequest) -> EngineUnderTest:
    return await by_way(engine_host, request.param)


@pytest_asyncio.fixture
async def workshop(docker: EngineUnderTest, tmp_path: Path) -> AsyncIterator[Workshop]:
    async with open_workshop(tmp_path, docker.adapter()) as opened:
        yield opened
