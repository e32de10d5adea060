"""The fakes that tests build upon do what the real ones do: they pass the same suites."""

import pytest

from activities.ports.engine import EngineBuild
from activities.ports.runs import RunAddress, RunEnd
from tests.support.conformance.container_engine import ContainerEngineConformance
from tests.support.conformance.runs import RunsConformance
from tests.support.fakes.memory_engine import MemoryBuild, MemoryEngine
from tests.support.fakes.runs import FakeRuns


class _FakeEngine:
    def __init__(self) -> None:
        self.engine = MemoryEngine()

    def dockerfile(self, *, ends: bool) -> str:
        return "FROM scratch\n"

    async def let_end(self, build: EngineBuild) -> None:
        assert isinstance(build, MemoryBuild)
        build.succeed()


class TestMemoryEngine(ContainerEngineConformance):
    @pytest.fixture
    def trial(self) -> _FakeEngine:
        return _FakeEngine()


class _FakeTemporal:
    def __init__(self) -> None:
        self.runs = FakeRuns()

    @property
    def states(self) -> FakeRuns:
        return self.runs

    async def end(self, run: RunAddress, end: RunEnd | None) -> None:
        self.runs.close(run.workflow_id, end)

    async def open_runs(self, run: RunAddress) -> int:
        return int(run.workflow_id in self.runs.open)

    async def go_away(self) -> None:
        self.runs.is_away = True


class TestFakeRuns(RunsConformance):
    @pytest.fixture
    def trial(self) -> _FakeTemporal:
        return _FakeTemporal()
