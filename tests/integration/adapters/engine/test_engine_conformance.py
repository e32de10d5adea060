"""The engines pass the suite that the fake passes, by each way of building."""

from uuid import uuid4

import pytest

from activities.adapters.docker.engine import DockerEngine
from activities.ports.engine import EngineBuild
from tests.support.conformance.container_engine import ContainerEngineConformance
from tests.support.engine.engines_under_test import EngineUnderTest


class _RealEngine:
    def __init__(self, engine: DockerEngine) -> None:
        self.engine = engine
        self._marker = uuid4().hex  # no step is in the cache

    def dockerfile(self, *, ends: bool) -> str:
        return f"FROM busybox:1.36\nRUN echo {self._marker}{'' if ends else '; sleep 300'}\n"

    async def let_end(self, build: EngineBuild) -> None:
        """It does by itself."""


class TestDockerEngine(ContainerEngineConformance):
    @pytest.fixture
    def trial(self, docker: EngineUnderTest) -> _RealEngine:
        return _RealEngine(docker.adapter())
