"""What becomes of image builds that failed: on a real Temporal, over rows in a real Postgres."""

import asyncio
from datetime import timedelta

import pytest
import pytest_asyncio
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowExecutionStatus

from models.rules.build_lifecycle import BuildStatus, Wish
from models.rules.errors.orchestrator import OrchestratorUnreachable
from tests.support.builds.addresses import build_of
from tests.support.builds.build_trials import (
    ALL_STAGES,
    BROKEN,
    Trial,
    Trials,
    events_of,
)
from tests.support.eventually import eventually
from tests.support.fakes.stages import Gate, fails

MOST_PARKED_EVENTS = 6


@pytest_asyncio.fixture(scope="module")
async def failed_builds(trials: Trials) -> list[Trial]:
    """Builds that failed while building and wait to be resumed, for tests to take one each; made at once."""

    async def fail() -> Trial:
        build = await trials.begin(build_image=fails(BROKEN))
        await build.becomes(BuildStatus.FAILED)
        await build.is_parked()
        return build

    return await asyncio.gather(*(fail() for _build in range(11)))


@pytest.fixture
def failed_build(failed_builds: list[Trial]) -> Trial:
    return failed_builds.pop()


async def test_a_failed_build_waits_in_a_fresh_and_short_run(failed_build: Trial) -> None:
    failed, waiting = await failed_build.histories()
    assert events_of(failed, EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW) == 1
    assert len(waiting.events) <= MOST_PARKED_EVENTS
    row = await failed_build.row()
    assert (row.status, row.code, row.error_code) == (BuildStatus.FAILED, 40, "docker_build_failed")
    assert failed_build.calls == ALL_STAGES[:3]


async def test_a_parked_build_is_found_as_failed(trials: Trials, failed_build: Trial) -> None:

    async def found() -> int:
        query = f"BuildId = '{build_of(failed_build.run)}' AND BuildStatus = 'failed' AND ExecutionStatus = 'Running'"
        return len([execution async for execution in trials.client.list_workflows(query)])

    await eventually(found)


async def test_a_retryable_fault_is_tried_again_within_the_same_run(trials: Trials) -> None:
    build = await trials.begin(resolve_tag=fails(OrchestratorUnreachable("away for a moment")))
    assert await build.ends() == WorkflowExecutionStatus.COMPLETED
    assert build.calls == ["resolve_tag", *ALL_STAGES]


async def test_a_resumed_build_goes_on_from_the_state_that_failed(failed_build: Trial) -> None:
    assert await failed_build.wish(Wish.RESUME)
    assert await failed_build.ends() == WorkflowExecutionStatus.COMPLETED
    assert failed_build.calls == ALL_STAGES[:3] + ALL_STAGES[2:]
    assert (await failed_build.row()).status == BuildStatus.SUCCEEDED


async def test_an_operator_resumes_a_build_by_a_signal(failed_build: Trial) -> None:
    await failed_build.handle.signal("resume")
    assert await failed_build.ends() == WorkflowExecutionStatus.COMPLETED
    assert failed_build.calls == ALL_STAGES[:3] + ALL_STAGES[2:]


async def test_an_operator_names_the_state_to_resume_from(failed_build: Trial) -> None:
    await failed_build.handle.signal("resume", 20)
    assert await failed_build.ends() == WorkflowExecutionStatus.COMPLETED
    assert failed_build.calls == ALL_STAGES[:3] + ALL_STAGES[1:]


async def test_a_resume_from_what_is_no_state_changes_nothing(failed_build: Trial) -> None:
    await failed_build.handle.signal("resume", 42)
    await failed_build.has_gone_on(2)
    await failed_build.is_parked()
    assert (await failed_build.row()).status == BuildStatus.FAILED
    await failed_build.handle.signal("resume")
    assert await failed_build.ends() == WorkflowExecutionStatus.COMPLETED


async def test_signals_take_any_argument_without_harm(trials: Trials) -> None:
    gate = Gate()
    build = await trials.begin(build_image=gate)
    await build.goes_through(gate)
    for argument in ({"a": [1]}, "text", None, 3.5, True):
        await build.handle.signal("poke", argument)
        await build.handle.signal("unpause", argument)
    await build.handle.signal("poke", args=[1, 2, 3])
    gate.may_end.set()
    assert await build.ends() == WorkflowExecutionStatus.COMPLETED
    assert build.calls == ALL_STAGES


async def test_a_stray_poke_parks_a_failed_build_again(trials: Trials, failed_build: Trial) -> None:
    await trials.runs.poke(failed_build.run)
    await failed_build.has_gone_on(2)
    await failed_build.is_parked()
    assert failed_build.calls == ALL_STAGES[:3]
    assert (await failed_build.row()).status == BuildStatus.FAILED


async def test_a_build_that_fails_again_waits_again(trials: Trials) -> None:
    build = await trials.begin(build_image=[fails(BROKEN), fails(BROKEN)])
    await build.becomes(BuildStatus.FAILED)
    await build.wish(Wish.RESUME)
    await eventually(lambda: build.called(4))
    await build.becomes(BuildStatus.FAILED)
    await build.is_parked()
    await build.wish(Wish.RESUME)
    assert await build.ends() == WorkflowExecutionStatus.COMPLETED


async def test_a_build_that_nobody_resumes_ends_and_can_still_be_resumed_from_its_row(trials: Trials) -> None:
    build = await trials.begin(build_image=fails(BROKEN), stays_open=timedelta(seconds=1))
    await build.becomes(BuildStatus.FAILED)
    assert await build.ends() == WorkflowExecutionStatus.FAILED
    closing = (await build.histories())[-1].events[-1].workflow_execution_failed_event_attributes
    assert closing.failure.application_failure_info.type == "build_not_resumed"
    assert await build.wish(Wish.RESUME)
    await build.becomes(BuildStatus.SUCCEEDED)
    assert build.calls == ALL_STAGES[:3] + ALL_STAGES[2:]


async def test_a_cancel_of_a_parked_build_closes_it(failed_build: Trial) -> None:
    await failed_build.handle.cancel()
    assert await failed_build.ends() == WorkflowExecutionStatus.CANCELED
    row = await failed_build.row()
    assert (row.status, row.code, row.is_closed) == (BuildStatus.FAILED, 40, True)
    assert not await failed_build.wish(Wish.RESUME)


async def test_a_cancel_signal_to_a_failed_build_is_refused_and_it_stays_resumable(failed_build: Trial) -> None:
    await failed_build.handle.signal("cancel")
    await failed_build.has_gone_on(2)
    await failed_build.is_parked()
    assert await failed_build.wish(Wish.RESUME)
    assert await failed_build.ends() == WorkflowExecutionStatus.COMPLETED


async def test_the_run_of_a_superseded_build_ends(trials: Trials, failed_build: Trial) -> None:
    await trials.rows.close(failed_build.run)
    assert await failed_build.ends() == WorkflowExecutionStatus.COMPLETED
    row = await failed_build.row()
    assert (row.status, row.is_closed) == (BuildStatus.FAILED, True)
