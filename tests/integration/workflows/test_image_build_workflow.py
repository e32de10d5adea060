"""The workflow of an image build on a real Temporal, over rows in a real Postgres that a real relay delivers."""

import asyncio
import base64
import json
from typing import Any

import pytest
from temporalio import activity
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowExecutionStatus, WorkflowHistory

from models.rules.build_lifecycle import BuildStatus, Wish
from models.rules.errors.engine import BuildCancelled
from models.rules.identifiers import new_id
from tests.support.builds.addresses import address, build_of
from tests.support.builds.build_trials import (
    ALL_STAGES,
    BROKEN,
    Trial,
    Trials,
    events_of,
)
from tests.support.builds.stored_build_rows import SECRET
from tests.support.eventually import eventually
from tests.support.fakes.stages import Gate, fails, goes_back, says
from tests.support.operators import reset_workflow

MOST_EVENTS = 150
LARGEST_PAYLOAD = 4096


def payload_sizes(history: WorkflowHistory) -> list[int]:
    """Return the size in bytes of every payload in a history; in its JSON those are {metadata, data}."""
    sizes: list[int] = []

    def look(part: Any) -> None:
        if isinstance(part, dict) and {"metadata", "data"} <= set(part):
            sizes.append(len(base64.b64decode(part["data"])))
        for inner in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
            look(inner)

    look(json.loads(history.to_json()))
    return sizes


def failed_events(history: WorkflowHistory) -> int:
    return events_of(history, EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED)


# success


async def test_a_build_runs_each_stage_once_and_in_order(trials: Trials) -> None:
    build = await trials.begin()
    assert await build.ends() == WorkflowExecutionStatus.COMPLETED
    assert build.calls == ALL_STAGES
    row = await build.row()
    assert (row.status, row.code) == (BuildStatus.SUCCEEDED, 100)
    assert row.entered == (10, 20, 40, 60, 80, 90)


async def test_a_builds_history_is_short_and_holds_only_ids_and_short_texts(trials: Trials) -> None:
    build = await trials.begin()
    await build.ends()
    [history] = await build.histories()
    assert len(history.events) < MOST_EVENTS
    assert max(payload_sizes(history)) < LARGEST_PAYLOAD
    assert SECRET not in history.to_json()
    assert base64.b64encode(SECRET.encode()).decode()[3:-6] not in history.to_json()
    assert failed_events(history) == 0


async def test_people_find_a_build_in_temporal_by_its_attributes(trials: Trials) -> None:
    build = await trials.begin()
    await build.ends()

    async def found() -> list[str]:
        query = f"BuildId = '{build_of(build.run)}' AND BuildStatus = 'succeeded' AND BuildState = 100"
        query += f" AND ImageName = '{build.run.summary}' AND BuildKind = 'image'"
        return [execution.id async for execution in trials.client.list_workflows(query)]

    assert await eventually(found) == [build.run.workflow_id]


async def test_what_stages_say_is_on_the_row_whatever_runs_follow(trials: Trials) -> None:
    notice = "Submodules are empty in GitHub's archives, and so in the build's context: 'lib'."
    build = await trials.begin(fetch_source=[says(notice)], build_image=[fails(BROKEN)])
    await build.becomes(BuildStatus.FAILED)
    assert (await build.row()).notices == (notice,)
    await build.wish(Wish.RESUME)
    await build.ends()
    assert (await build.row()).notices == (notice,)


# going back


async def test_a_build_goes_back_for_what_is_gone(trials: Trials) -> None:
    build = await trials.begin(inspect_image=goes_back(40))
    assert await build.ends() == WorkflowExecutionStatus.COMPLETED
    assert build.calls == [*ALL_STAGES[:4], *ALL_STAGES[2:]]


async def test_a_build_that_loses_what_it_keeps_again_and_again_fails(trials: Trials) -> None:
    build = await trials.begin(inspect_image=[goes_back(40)] * 10)
    row = await build.becomes(BuildStatus.FAILED)
    assert row.error_code == "checkpoint_lost"
    assert build.calls.count("build_image") == 4
    await build.is_parked()


# pause


async def test_a_paused_build_enters_no_state_until_it_is_unpaused(trials: Trials) -> None:
    gate = Gate()
    build = await trials.begin(fetch_source=gate)
    await build.goes_through(gate)
    await build.handle.signal("pause")
    await eventually(build.row, lambda row: row.is_paused)
    gate.may_end.set()
    await build.is_held(40)
    assert build.calls == ALL_STAGES[:2]
    assert (await build.row()).code == 20
    await build.handle.signal("unpause")
    assert await build.ends() == WorkflowExecutionStatus.COMPLETED
    assert build.calls == ALL_STAGES


async def test_a_paused_build_can_be_cancelled(trials: Trials) -> None:
    gate = Gate()
    build = await trials.begin(fetch_source=gate)
    await build.goes_through(gate)
    await build.wish(Wish.PAUSE)
    gate.may_end.set()
    await build.is_held(40)
    await build.wish(Wish.CANCEL)
    assert await build.ends() == WorkflowExecutionStatus.CANCELED
    assert (await build.row()).status == BuildStatus.CANCELLED


# cancel


async def test_a_cancel_in_mid_stage_ends_the_work_then_the_build(trials: Trials) -> None:
    gate = Gate()
    build = await trials.begin(build_image=gate)
    await build.goes_through(gate)
    await build.handle.cancel()
    assert await build.ends() == WorkflowExecutionStatus.CANCELED
    assert gate.was_told_to_end
    assert (await build.row()).status == BuildStatus.CANCELLED
    assert build.calls == ALL_STAGES[:3]


async def test_an_operators_cancel_signal_becomes_the_rows_wish_and_then_a_cancel(trials: Trials) -> None:
    gate = Gate()
    build = await trials.begin(build_image=gate)
    await build.goes_through(gate)
    await build.handle.signal("cancel")
    assert await build.ends() == WorkflowExecutionStatus.CANCELED
    assert gate.was_told_to_end
    row = await build.row()
    assert (row.status, row.is_cancel_wanted) == (BuildStatus.CANCELLED, True)


async def test_a_cancel_that_the_row_wants_reaches_the_run(trials: Trials) -> None:
    gate = Gate()
    build = await trials.begin(push_image=gate)
    await build.goes_through(gate)
    assert await build.wish(Wish.CANCEL)
    assert await build.ends() == WorkflowExecutionStatus.CANCELED
    assert (await build.row()).status == BuildStatus.CANCELLED


async def test_work_that_answers_a_cancel_by_an_error_of_its_own_is_cancelled(trials: Trials) -> None:
    class Told(Gate):
        async def __call__(self, build: Any) -> None:
            try:
                await super().__call__(build)
            except asyncio.CancelledError:
                raise BuildCancelled("The engine's work was ended.") from None

    gate = Told()
    build = await trials.begin(build_image=gate)
    await build.goes_through(gate)
    await build.wish(Wish.CANCEL)
    assert await build.ends() == WorkflowExecutionStatus.CANCELED
    assert (await build.row()).status == BuildStatus.CANCELLED


async def test_a_success_that_was_registered_before_the_cancel_stays_a_success(trials: Trials) -> None:
    class Registered(Gate):
        async def __call__(self, build: Any) -> None:
            await trials.rows.succeed(build, activity.info().workflow_run_id or "")
            await super().__call__(build)

    gate = Registered()
    build = await trials.begin(register_image=gate)
    await build.goes_through(gate)
    await build.handle.cancel()
    await build.ends()
    assert (await build.row()).status == BuildStatus.SUCCEEDED


# runs and rows


async def test_a_build_whose_run_was_terminated_goes_on_from_its_row(trials: Trials) -> None:
    gate = Gate()
    build = await trials.begin(build_image=gate)
    await build.goes_through(gate)
    await build.handle.terminate("a test")
    gate.may_end.set()
    await trials.runs.poke(build.run)
    await build.becomes(BuildStatus.SUCCEEDED)
    assert build.calls == ALL_STAGES[:3] + ALL_STAGES[2:]


async def test_a_late_start_of_an_ended_build_ends_at_once(trials: Trials) -> None:
    build = await trials.begin()
    await build.ends()
    first = (await build.handle.describe()).run_id
    await trials.runs.poke(build.run)
    assert (await build.handle.describe()).run_id != first
    assert await build.ends() == WorkflowExecutionStatus.COMPLETED
    assert build.calls == ALL_STAGES


async def test_a_build_that_nobody_knows_ends_its_run(trials: Trials) -> None:
    build = await trials.begin()
    await build.ends()
    stranger = address(build_of(build.run), build.run.summary.removesuffix(":v1"), generation=99)
    await trials.runs.poke(stranger)
    assert await Trial(trials.client, trials.rows, trials.stages, stranger).ends() == WorkflowExecutionStatus.COMPLETED
    assert build.calls == ALL_STAGES


async def test_a_cancel_of_a_build_without_a_run_says_so(trials: Trials) -> None:
    nobody = address(new_id(), "demo/nobody")
    assert not await trials.runs.cancel(nobody)


@pytest.mark.parametrize("part", [0.0, 0.5, 1.0], ids=["before its first stage", "in an earlier stage", "in its stage"])
async def test_a_reset_run_goes_on_where_the_row_stands_and_does_nothing_again(trials: Trials, part: float) -> None:
    first, second = Gate(), Gate()
    build = await trials.begin(build_image=[first, second])
    await build.goes_through(first)
    await reset_workflow(trials.client, build.run.workflow_id, part)
    await build.goes_through(second)
    second.may_end.set()
    assert await build.ends() == WorkflowExecutionStatus.COMPLETED
    assert build.calls == [*ALL_STAGES[:3], *ALL_STAGES[2:]]
    row = await build.row()
    assert (row.status, row.entered) == (BuildStatus.SUCCEEDED, (10, 20, 40, 60, 80, 90))
