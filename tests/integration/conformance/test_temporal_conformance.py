"""Temporal passes the suite that the fake of it passes."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from temporalio.client import Client

from activities.adapters.temporal import TemporalRuns, connect
from activities.ports.runs import RunAddress, RunEnd
from standalone.free_ports import LOOPBACK, free_port
from tests.support.builds.build_trials import temporal_server
from tests.support.conformance.runs import RunsConformance
from tests.support.operators import delete_workflow


class _RealTemporal:
    """Nobody works here, so that a run stays open, also when its cancel is asked for."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.runs = TemporalRuns(client)

    @property
    def states(self) -> TemporalRuns:
        return self.runs

    async def end(self, run: RunAddress, end: RunEnd | None) -> None:
        if end is not None:
            await self._client.get_workflow_handle(run.workflow_id).terminate()
            return
        await delete_workflow(self._client, run.workflow_id)

    async def open_runs(self, run: RunAddress) -> int:
        query = f"WorkflowId = '{run.workflow_id}' AND ExecutionStatus = 'Running'"
        return (await self._client.count_workflows(query)).count

    async def go_away(self) -> None:
        self.runs = TemporalRuns(await connect(lazy=True, address=f"{LOOPBACK}:{free_port()}"))


@pytest_asyncio.fixture(scope="module")
async def client(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Client]:
    async with temporal_server(tmp_path_factory.mktemp("temporal")) as server:
        yield await connect(lazy=False, address=server.address)


class TestTemporalRuns(RunsConformance):
    @pytest.fixture
    def trial(self, client: Client) -> _RealTemporal:
        return _RealTemporal(client)
