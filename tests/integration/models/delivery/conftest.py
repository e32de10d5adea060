"""What tests of delivery share."""

import pytest

from tests.support.fakes.runs import FakeRuns


@pytest.fixture
def runs() -> FakeRuns:
    return FakeRuns()
