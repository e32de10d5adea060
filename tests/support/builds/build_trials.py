"""The real workflow on a real Temporal, over rows and stages that a test can see into."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHandle, WorkflowHistory
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import Interceptor, Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from activities.adapters.temporal import TemporalRuns, connect
from activities.error_border import ErrorBorder
from activities.outages import Outages
from activities.ports.runs import RunAddress
from models.rules.build_lifecycle import BuildStatus, Wish
from models.rules.errors.engine import DockerBuildFailed
from models.rules.redaction import Redaction
from models.rules.run_contract import Queue
from standalone.free_ports import free_port
from standalone.servers.temporal import TemporalDevServer
from tests.support.builds.addresses import build_of
from tests.support.builds.build_rows import BuildRows, RowNow
from tests.support.builds.stored_build_rows import stored_build_rows
from tests.support.eventually import eventually
from tests.support.fakes.stages import HOST_QUEUE, Behaviour, FakeStages, Gate
from workflows.image_build import STAGES, ImageBuild

ALL_STAGES = [stage.activity for stage in STAGES]
BROKEN = DockerBuildFailed("Docker build failed: exit code 1.", failing_step="Step 2/3 : RUN false", exit_code=1)
_STAYS_OPEN = timedelta(days=14)
_BEATS = timedelta(seconds=1)

TOLD_BY_NOBODY = "s3cr3t-of-the-worker-0123456789"
_REDACTION = Redaction([TOLD_BY_NOBODY])


class RunsWithLimits:
    """Implements Runs: the real one, but some images' builds stay open for a shorter time."""

    def __init__(self, client: Client) -> None:
        self._real = TemporalRuns(client)
        self.stays_open: dict[str, timedelta] = {}

    async def poke(self, run: RunAddress) -> None:
        limit = self.stays_open.get(run.summary)
        changed = {} if limit is None else {"stays_open": limit}
        await self._real.poke(replace(run, order=run.order.model_copy(update=changed)))

    async def cancel(self, run: RunAddress) -> bool:
        return await self._real.cancel(run)


@asynccontextmanager
async def temporal_server(folder: Path) -> AsyncIterator[TemporalDevServer]:
    async with TemporalDevServer(folder / "temporal.db", free_port(), free_port()) as server:
        yield server


class Trial:
    """One build, from its order to its end."""

    def __init__(self, client: Client, rows: BuildRows, stages: FakeStages, run: RunAddress) -> None:
        self._client = client
        self._rows = rows
        self._stages = stages
        self.run = run

    @property
    def handle(self) -> WorkflowHandle[Any, Any]:
        return self._client.get_workflow_handle(self.run.workflow_id)

    @property
    def calls(self) -> list[str]:
        return self._stages.calls_for(self.run.summary)

    async def row(self) -> RowNow:
        return await self._rows.read(build_of(self.run))

    async def is_known(self) -> bool:
        """Say whether Temporal has a run of this build."""
        try:
            await self.handle.describe()
        except RPCError as error:
            if error.status == RPCStatusCode.NOT_FOUND:
                return False
            raise
        return True

    async def becomes(self, status: BuildStatus) -> RowNow:
        return await eventually(self.row, lambda row: row.status == status)

    async def wish(self, wish: Wish, state_code: int | None = None) -> bool:
        return await self._rows.wish(self.run, wish, state_code)

    async def is_parked(self) -> None:
        """Return when the newest run waits for resume."""

        async def newest_waits() -> bool:
            answer = await self.handle.query("status")
            return answer["parked"] is True and (await self.status()) == WorkflowExecutionStatus.RUNNING

        await eventually(newest_waits)

    async def is_held(self, code: int) -> None:
        """Return when the run waits before the state `code`: it has reported it and nothing goes on."""

        async def waits() -> bool:
            described = await self.handle.describe()
            answer = await self.handle.query("status")
            return answer["state"] == code and not described.raw_description.pending_activities

        await eventually(waits)

    async def has_gone_on(self, times: int) -> None:
        """Return when runs were continued as new at least so often since the build was parked first."""

        async def is_enough() -> bool:
            return len(await self.histories()) > times

        await eventually(is_enough)

    async def called(self, times: int) -> bool:
        """Say whether stages were begun so often."""
        return len(self.calls) >= times

    async def goes_through(self, gate: Gate) -> None:
        """Return when the stage behind the gate has begun."""
        await asyncio.wait_for(gate.begun.wait(), 30)

    async def status(self) -> WorkflowExecutionStatus | None:
        return (await self.handle.describe()).status

    async def ends(self) -> WorkflowExecutionStatus:
        """Return how the last run ended."""

        async def closed() -> WorkflowExecutionStatus | None:
            status = await self.status()
            return status if status != WorkflowExecutionStatus.RUNNING else None

        ended = await eventually(closed)
        assert ended is not None
        return ended

    async def histories(self) -> list[WorkflowHistory]:
        """Return the histories of all runs, oldest first."""
        newest = (await self.handle.describe()).run_id
        histories: list[WorkflowHistory] = []
        run_id: str | None = newest
        while run_id:
            handle = self._client.get_workflow_handle(self.run.workflow_id, run_id=run_id)
            histories.insert(0, await handle.fetch_history())
            started = histories[0].events[0].workflow_execution_started_event_attributes
            run_id = started.continued_execution_run_id
        return histories


@dataclass(frozen=True)
class Trials:
    """Workers with the settings of worker.py over the given rows, and the builds that are tried there."""

    client: Client
    rows: BuildRows
    stages: FakeStages
    runs: RunsWithLimits

    async def begin(self, *, stays_open: timedelta | None = None, **scripts: Behaviour | list[Behaviour]) -> Trial:
        """Order an image of a name of its own; `scripts` say what its stages do, by their activities' names."""
        name = f"demo/{uuid4().hex[:12]}"
        if stays_open is not None:
            self.runs.stays_open[f"{name}:v1"] = stays_open
        for stage, behaviours in scripts.items():
            listed = behaviours if isinstance(behaviours, list) else [behaviours]
            self.stages.script(f"{name}:v1", stage, *listed)
        trial = Trial(self.client, self.rows, self.stages, await self.rows.order(name))
        await eventually(trial.is_known)
        return trial


@asynccontextmanager
async def stored_trials(
    temporal_address: str, database_url: str, *, patience: timedelta = timedelta(minutes=30)
) -> AsyncIterator[Trials]:
    """Run workers and a relay over rows in this database; `patience` is for outages."""
    async with AsyncExitStack() as stack:
        client = await connect(lazy=False, address=temporal_address, redaction=_REDACTION)
        runs = RunsWithLimits(client)
        history = TemporalRuns(client)
        rows = await stack.enter_async_context(stored_build_rows(database_url, runs, history, patience=patience))
        stages = FakeStages(rows)
        await stack.enter_async_context(running_workers(client, rows, stages))
        yield Trials(client, rows, stages, runs)


@asynccontextmanager
async def running_workers(
    client: Client, rows: BuildRows, stages: FakeStages, *interceptors: Interceptor
) -> AsyncIterator[None]:
    """Run a worker for each queue; `interceptors` see what the workflow asks Temporal for."""
    async with running_runs(client, rows, *interceptors), running_stages(client, stages):
        yield


def running_runs(client: Client, rows: BuildRows, *interceptors: Interceptor) -> Worker:
    """Return the worker of runs and their records, to be entered."""
    return _worker(client, Queue.BUILDS, rows.record_activities, rows.outages, *interceptors, workflows=[ImageBuild])


@asynccontextmanager
async def running_stages(client: Client, stages: FakeStages) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        for queue in (Queue.SOURCE, Queue.DOCKER, Queue.ENGINE, HOST_QUEUE):
            await stack.enter_async_context(_worker(client, queue, stages.activities, stages.outages))
        yield


def _worker(
    client: Client,
    queue: str,
    activities: Any,
    outages: Outages,
    *interceptors: Interceptor,
    workflows: Any = (),
) -> Worker:
    return Worker(
        client,
        task_queue=queue,
        workflows=workflows,
        activities=activities,
        interceptors=[ErrorBorder(outages, _REDACTION), *interceptors],
        max_cached_workflows=500,
        max_heartbeat_throttle_interval=_BEATS,
        default_heartbeat_throttle_interval=_BEATS,
        workflow_failure_exception_types=[Exception],
        workflow_runner=SandboxedWorkflowRunner(restrictions=SandboxRestrictions.default),
    )


def events_of(history: WorkflowHistory, kind: "EventType.ValueType") -> int:
    return sum(event.event_type == kind for event in history.events)
