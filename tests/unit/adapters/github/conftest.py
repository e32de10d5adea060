"""What tests of the GitHub adapter share: they all run against the look-alike."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from activities.adapters.github.rest import GitHub
from tests.support.servers.sandbox_commits import PATIENT
from tests.support.servers.sandbox_server import RunningSandbox, running_sandbox


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    root = tmp_path_factory.mktemp("github") / "sandbox"
    with running_sandbox(root, download_host="localhost") as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(served: RunningSandbox) -> RunningSandbox:
    served.clear_faults()
    served.forget_requests()
    return served


@pytest_asyncio.fixture(scope="module")
async def github(served: RunningSandbox) -> AsyncIterator[GitHub]:
    host = GitHub(served.url, served.token, PATIENT)
    yield host
    await host.aclose()
