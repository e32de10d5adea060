"""Builds whose host is gone for good, with the image on it. Only there the half hour of waiting is over in a second."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from temporalio.client import WorkflowExecutionStatus
from temporalio.worker import (
    Interceptor,
    StartActivityInput,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
    WorkflowOutboundInterceptor,
)
from temporalio.workflow import ActivityHandle

from activities.adapters.temporal import connect
from models.rules.build_lifecycle import BuildStatus, Wish
from models.rules.build_payloads import Checkpoint, StageOutcome
from tests.support.builds.build_trials import RunsWithLimits, Trials, running_workers, temporal_server
from tests.support.fakes.build_rows import FakeBuildRows
from tests.support.fakes.stages import OUTCOMES, FakeStages
from workflows.image_build import STAGES

ALL_STAGES = [stage.activity for stage in STAGES]
GONE_QUEUE = "engine@a-host-that-is-gone"  # no worker takes from it
_SOON = timedelta(seconds=1)


class _Outbound(WorkflowOutboundInterceptor):
    def start_activity(self, input: StartActivityInput) -> ActivityHandle[Any]:
        # Temporal's time skipping stands still while an activity is pending; a limit that is missing is not made up
        if input.task_queue == GONE_QUEUE and input.schedule_to_start_timeout is not None:
            input.schedule_to_start_timeout = _SOON
        return super().start_activity(input)


class _Inbound(WorkflowInboundInterceptor):
    def init(self, outbound: WorkflowOutboundInterceptor) -> None:
        super().init(_Outbound(outbound))


class ShortWaitAtTheGoneHost(Interceptor):
    def workflow_interceptor_class(self, input: WorkflowInterceptorClassInput) -> type[WorkflowInboundInterceptor]:
        return _Inbound


@pytest_asyncio.fixture(scope="module")
async def trials(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Trials]:
    async with temporal_server(tmp_path_factory.mktemp("temporal")) as server:
        client = await connect(lazy=False, address=server.address)
        runs = RunsWithLimits(client)
        rows = FakeBuildRows(runs)
        stages = FakeStages(rows)
        async with running_workers(client, rows, stages, ShortWaitAtTheGoneHost()):
            yield Trials(client, rows, stages, runs)


async def builds_at_the_gone_host(_build: Checkpoint) -> StageOutcome:
    return OUTCOMES["build_image"].model_copy(update={"host_queue": GONE_QUEUE})


async def inspects_just_before_the_host_goes(_build: Checkpoint) -> StageOutcome:
    return OUTCOMES["inspect_image"].model_copy(update={"host_queue": GONE_QUEUE})


async def test_an_image_on_a_host_that_is_gone_is_built_again_elsewhere(trials: Trials) -> None:
    build = await trials.begin(build_image=builds_at_the_gone_host)
    assert await build.ends() == WorkflowExecutionStatus.COMPLETED
    assert build.calls == [*ALL_STAGES[:3], *ALL_STAGES[2:]]
    row = await build.row()
    assert (row.status, row.entered) == (BuildStatus.SUCCEEDED, (10, 20, 40, 60, 40, 60, 80, 90))


async def test_a_host_that_goes_while_its_image_is_on_its_way_is_noticed_too(trials: Trials) -> None:
    build = await trials.begin(inspect_image=inspects_just_before_the_host_goes)
    assert await build.ends() == WorkflowExecutionStatus.COMPLETED
    assert build.calls == [*ALL_STAGES[:4], *ALL_STAGES[2:]]
    assert (await build.row()).status == BuildStatus.SUCCEEDED


async def test_a_build_whose_hosts_go_again_and_again_fails_and_can_be_resumed(trials: Trials) -> None:
    build = await trials.begin(build_image=[builds_at_the_gone_host] * 4)
    row = await build.becomes(BuildStatus.FAILED)
    assert (row.error_code, row.code) == ("checkpoint_lost", 60)
    assert build.calls == [*ALL_STAGES[:2], *["build_image"] * 4]
    await build.is_parked()
    assert await build.wish(Wish.RESUME)
    assert await build.ends() == WorkflowExecutionStatus.COMPLETED
    assert build.calls == [*ALL_STAGES[:2], *["build_image"] * 4, *ALL_STAGES[2:]]
