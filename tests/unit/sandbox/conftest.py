"""What tests of the GitHub look-alike share."""

from collections.abc import Iterator

import pytest

from tests.support.servers.sandbox_server import RunningSandbox, running_sandbox


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    with running_sandbox(tmp_path_factory.mktemp("sandbox") / "root") as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(served: RunningSandbox) -> RunningSandbox:
    served.clear_faults()
    served.forget_requests()
    return served
