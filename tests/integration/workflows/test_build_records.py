"""How a build speaks with its row: quickly while Postgres answers, for as long as it takes while it does not."""

from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowExecutionStatus, WorkflowHistory

from models.rules.build_lifecycle import BuildStatus
from standalone.servers.postgres import EmbeddedPostgres
from tests.support.builds.build_trials import Trial, Trials, events_of
from tests.support.eventually import eventually
from tests.support.fakes.stages import Gate
from workflows.image_build import STAGES

RECORDS = 1 + len(STAGES) + 1  # the claim, a report of each state, the end


def ordinary_activities(history: WorkflowHistory) -> list[str]:
    scheduled = (event.activity_task_scheduled_event_attributes for event in history.events)
    return [attributes.activity_type.name for attributes in scheduled if attributes.activity_type.name]


async def records_that_wait(build: Trial) -> dict[str, int]:
    """Return the tries of each pending activity, by name."""
    described = (await build.handle.describe()).raw_description
    return {pending.activity_type.name: pending.attempt for pending in described.pending_activities}


async def test_records_take_no_way_through_temporals_queues_while_postgres_answers(trials: Trials) -> None:
    build = await trials.begin()
    assert await build.ends() == WorkflowExecutionStatus.COMPLETED
    [history] = await build.histories()
    assert ordinary_activities(history) == [stage.activity for stage in STAGES]
    assert events_of(history, EventType.EVENT_TYPE_MARKER_RECORDED) == RECORDS


async def test_a_record_waits_for_postgres_as_an_activity_that_people_see(
    trials: Trials, postgres: EmbeddedPostgres
) -> None:
    gate = Gate()
    build = await trials.begin(fetch_source=gate)
    await build.goes_through(gate)
    await postgres.stop()
    try:
        gate.may_end.set()
        await eventually(lambda: records_that_wait(build), lambda tries: tries.get("report_state", 0) >= 3)
        length = len((await build.histories())[0].events)
        await eventually(lambda: records_that_wait(build), lambda tries: tries["report_state"] >= 5)
        assert len((await build.histories())[0].events) == length
    finally:
        await postgres.start()
    assert await build.ends() == WorkflowExecutionStatus.COMPLETED
    assert (await build.row()).status == BuildStatus.SUCCEEDED
    assert (await build.row()).entered == tuple(stage.code for stage in STAGES)
    [history] = await build.histories()
    assert ordinary_activities(history).count("report_state") == 1
