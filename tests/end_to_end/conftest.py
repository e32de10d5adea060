"""One product for all end-to-end tests: they run one after the other, and leave every program running."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.support.engine.engines_under_test import plugin
from tests.support.servers.product import BUILD_SECRET, Product, running_product


@pytest_asyncio.fixture(scope="session")
async def product(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Product]:
    secrets = tmp_path_factory.mktemp("secrets")
    (secrets / "npm").write_text(BUILD_SECRET)
    async with running_product(
        tmp_path_factory.mktemp("product"),
        github_timeout=4,
        source_timeout=30,
        drain_timeout=5,
        outage_patience=15,
        base_image_timeout=8,
        builder_slots=2,
        buildx=str((await plugin()).path),
        build_secrets=f"npm={secrets / 'npm'}",
    ) as running:
        yield running
