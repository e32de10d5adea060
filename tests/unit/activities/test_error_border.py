"""What a failed try of a stage means to Temporal: waited for, tried again, or the end."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput

from activities.error_border import ErrorBorder
from models.rules.build_payloads import Checkpoint, Claim, StageOutcome
from models.rules.errors.domain import DomainError
from models.rules.errors.engine import EngineRefused, EngineUnreachable, ExecutionLost, HostDiskFailed
from models.rules.errors.source import (
    CommitMismatch,
    SourceBroken,
    SourceHostRateLimited,
    SourceHostUnreachable,
    SourceHostWrong,
)
from models.rules.errors.storage import StorageRefused, StorageUnreachable
from models.rules.identifiers import new_id
from models.rules.redaction import Redaction
from tests.support.fakes.outages import FakeOutages

OUTAGES = [EngineUnreachable, SourceHostUnreachable, SourceHostRateLimited, StorageUnreachable, HostDiskFailed]
FAULTS = [
    *(SourceBroken("It is damaged."), SourceHostWrong("It is no GitHub."), ExecutionLost("Its lease ran out.")),
    KeyError("a defect"),
]
MOST_FAULTS = 6
SECRET = "s3cr3t-0123456789-abcdefghij-klmnopqr"
BUILD = Checkpoint(
    build_id=new_id(),
    generation=1,
    code=20,
    name="build-hello",
    image="hello:v1",
    repo="demo/hello",
    tag="v1",
    correlation_id="c0ffee",
)


class Meets(ActivityInboundInterceptor):
    """An activity that ends in this way."""

    def __init__(self, end: Exception | None) -> None:
        self._end = end
        self.calls = 0

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        self.calls += 1
        if self._end is not None:
            raise self._end
        return "done"


class Says(ActivityInboundInterceptor):
    """An activity that ends well."""

    def __init__(self, outcome: StageOutcome) -> None:
        self._outcome = outcome

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        return self._outcome


async def tried(end: Exception | None, outages: FakeOutages, attempt: int = 1, given: object = BUILD) -> Any:
    """Run an activity behind the border, as its so many-th try; return what Temporal is told."""

    async def act(_given: object) -> Any:
        call = ExecuteActivityInput(fn=act, args=[given], executor=None, headers={})
        return await ErrorBorder(outages, Redaction([SECRET])).intercept_activity(Meets(end)).execute_activity(call)

    environment = ActivityEnvironment()
    environment.info = replace(environment.info, attempt=attempt, heartbeat_timeout=timedelta(seconds=10))
    try:
        return await environment.run(act, given)
    except ApplicationError as told:
        return told
    except KeyError as defect:
        return defect


def is_last(told: Any) -> bool:
    return isinstance(told, ApplicationError) and told.non_retryable


@pytest.mark.parametrize("kind", OUTAGES)
async def test_what_cannot_be_reached_is_tried_again_until_the_patience_is_over(kind: type[DomainError]) -> None:
    outages = FakeOutages(patience=timedelta(seconds=50))
    for attempt in range(1, 51):
        told = await tried(kind("It is away."), outages, attempt)
        assert not is_last(told)
        assert told.next_retry_delay > timedelta(0)
    told = await tried(kind("It is away."), outages, 51)
    assert is_last(told)
    assert (told.type, told.message) == (
        kind.code,
        "It is away. It was waited for as long as SLIPWAY_OUTAGE_PATIENCE allows.",
    )
    assert told.details[0]["is_retryable"], "a person may try it again"


async def test_githubs_own_time_is_when_it_is_tried_again() -> None:
    limited = SourceHostRateLimited("Come later.", retry_after=timedelta(minutes=7))
    assert (await tried(limited, FakeOutages())).next_retry_delay == timedelta(minutes=7)


@pytest.mark.parametrize("wrong", [EngineRefused, StorageRefused, CommitMismatch])
async def test_what_answers_that_it_is_wrong_is_the_end_at_once(wrong: type[DomainError]) -> None:
    told = await tried(wrong("It is wrong."), FakeOutages())
    assert (is_last(told), told.type, told.message) == (True, wrong.code, "It is wrong.")


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: type(fault).__name__)
async def test_a_fault_is_tried_six_times_however_many_tries_an_outage_took(fault: Exception) -> None:
    outages = FakeOutages()
    for attempt in range(1, MOST_FAULTS):
        assert not is_last(await tried(fault, outages, attempt))
    assert is_last(await tried(fault, outages, MOST_FAULTS))
    for attempt in range(MOST_FAULTS, MOST_FAULTS + 20):
        await tried(SourceHostUnreachable("It is away."), outages, attempt)
    assert is_last(await tried(fault, outages, MOST_FAULTS + 20)), "the sixth fault"
    assert not is_last(await tried(fault, outages, MOST_FAULTS + 19)), "the fifth"


async def test_a_stage_whose_worker_dies_each_time_is_given_up_before_it_dies_again() -> None:
    outages = FakeOutages()
    assert await tried(None, outages, MOST_FAULTS) == "done"
    told = await tried(None, outages, MOST_FAULTS + 1)
    assert (is_last(told), told.type) == (True, "worn_out")
    await tried(SourceHostUnreachable("It is away."), outages, 2)
    assert await tried(None, outages, MOST_FAULTS + 1) == "done", "one of them met an outage"


async def test_a_record_is_tried_without_a_limit() -> None:
    claim = Claim(build_id=new_id(), generation=1, run_id="run-1")
    for attempt in (1, 1000):
        assert not is_last(await tried(ExecutionLost("It is gone."), FakeOutages(), attempt, given=claim))
        assert isinstance(await tried(KeyError("a defect"), FakeOutages(), attempt, given=claim), KeyError)


# nothing secret is told


@pytest.mark.parametrize("kind", [CommitMismatch, EngineRefused])
async def test_what_is_told_of_an_error_holds_no_secret(kind: type[DomainError]) -> None:
    told = await tried(kind(f"GitHub says: {SECRET}."), FakeOutages())
    assert told.message == "GitHub says: ******."


async def test_what_is_shown_of_an_outage_holds_no_secret() -> None:
    outages = FakeOutages(patience=timedelta(seconds=50))
    told = await tried(EngineUnreachable(f"{'x' * 1990}{SECRET}"), outages)
    assert SECRET[:8] not in told.message + "".join(outages.met)
    assert len(told.message) <= 2000


async def test_what_is_told_of_a_defect_that_is_tried_no_more_holds_no_secret() -> None:
    told = await tried(KeyError(SECRET), FakeOutages(), attempt=MOST_FAULTS)
    assert is_last(told)
    assert SECRET not in told.message


async def test_what_a_stage_says_holds_no_secret() -> None:
    said = StageOutcome(message=f"it is {SECRET}", notices=(f"look at {SECRET}",), variables={"a": "b"})

    async def act(_given: object) -> Any:
        call = ExecuteActivityInput(fn=act, args=[BUILD], executor=None, headers={})
        border = ErrorBorder(FakeOutages(), Redaction([SECRET]))
        return await border.intercept_activity(Says(said)).execute_activity(call)

    told = await ActivityEnvironment().run(act, BUILD)
    assert told == StageOutcome(message="it is ******", notices=("look at ******",), variables={"a": "b"})
