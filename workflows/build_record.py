"""What every build's workflow does beside its stages: claim, report, take signals, go on as a new run."""

import asyncio
from datetime import timedelta
from typing import Any, NoReturn

from temporalio import workflow
from temporalio.common import RetryPolicy, SearchAttributeKey, SearchAttributeUpdate
from temporalio.exceptions import ActivityError, ApplicationError, FailureError, is_cancelled_exception
from temporalio.exceptions import TimeoutError as TemporalTimeout

with workflow.unsafe.imports_passed_through():
    from models.rules.build_lifecycle import BuildStatus, StateCode, Wish
    from models.rules.build_payloads import (
        ArtifactReport,
        Checkpoint,
        Claim,
        Claimed,
        FailureReport,
        ImageBuildOrder,
        RequestedWish,
        RowView,
        StageOutcome,
        StateReport,
        WishReport,
    )
    from models.rules.run_contract import Queue, SearchAttribute

BUILD_STATUS = SearchAttributeKey.for_keyword(SearchAttribute.BUILD_STATUS)
BUILD_STATE = SearchAttributeKey.for_int(SearchAttribute.BUILD_STATE)

# Postgres may be away for long; the build waits for it as long as it takes
_RECORD_RETRIES = RetryPolicy(
    initial_interval=timedelta(milliseconds=200), backoff_coefficient=2, maximum_interval=timedelta(seconds=10)
)
_RECORD_LONGEST = timedelta(seconds=15)
# the first try holds the workflow task, whose limit is 10 s; two of them, the claim and a report, are over before that
_RECORD_AT_ONCE = timedelta(seconds=4)
_ONCE = RetryPolicy(maximum_attempts=1)

# since 0.2.0; may go when no run of 0.1.0 waits any more: 14 days (SLIPWAY_STAYS_OPEN) after the last one was parked
_HEARS_THE_REST = "hears-the-rest-of-the-task"
_A_MOMENT = timedelta(milliseconds=1)


class BuildRecord:
    """The row says what is wanted; signals only wake the run, which then looks at its row."""

    @workflow.init
    def __init__(self, order: ImageBuildOrder) -> None:
        self._order = order
        self._calls = 0  # signals that no look at the row has answered yet
        self._wishes = list(order.wishes)
        self._seq = 0
        self._artifacts: dict[str, ArtifactReport] = {}
        self._notices: dict[str, None] = {}  # each once, in order
        self._listener: asyncio.Task[None] | None = None
        self._checkpoint: Checkpoint | None = None

    @property
    def build(self) -> Checkpoint:
        if self._checkpoint is None:
            raise ApplicationError("the run has claimed no build", type="not_claimed")
        return self._checkpoint

    # Signals take any arguments or none, and only set a field: an error raised here would fail the workflow.

    @workflow.signal
    def poke(self, *_ignored: Any) -> None:  # noqa: ANN401
        self._calls += 1

    @workflow.signal
    def cancel(self, *_ignored: Any) -> None:  # noqa: ANN401
        self._wish(Wish.CANCEL)

    @workflow.signal
    def pause(self, *_ignored: Any) -> None:  # noqa: ANN401
        self._wish(Wish.PAUSE)

    @workflow.signal
    def unpause(self, *_ignored: Any) -> None:  # noqa: ANN401
        self._wish(Wish.UNPAUSE)

    @workflow.signal
    def resume(self, state_code: Any = None, *_ignored: Any) -> None:  # noqa: ANN401
        is_code = isinstance(state_code, int) and not isinstance(state_code, bool)
        self._wish(Wish.RESUME, state_code if is_code else None)

    @workflow.query
    def status(self) -> dict[str, Any]:
        """Return where the build stands, as this run knows it."""
        build = self._checkpoint
        return {
            "parked": self._order.parked,
            "state": build.code if build is not None else None,
            "variables": build.variables if build is not None else {},
        }

    def is_called(self) -> bool:
        return self._calls > 0 or bool(self._wishes)

    def raise_when_cancelled(self) -> None:
        if workflow.cancellation_reason() is not None:
            raise asyncio.CancelledError

    async def hear_the_rest(self) -> None:
        """After a signal that is about to end this run: raise when a cancel has come with it.

        The SDK lets a run act on a task's signals before it tells of a cancel in the same task. A run that went on as
        new at once would take a cancel with it that Temporal has acknowledged; a timer's end comes after both.
        """
        if workflow.patched(_HEARS_THE_REST):
            await workflow.sleep(_A_MOMENT)

    async def claim(self) -> Claimed:
        """Ask the row for work; what operators signalled before goes to the row first."""
        while self._wishes:
            await self._pass_on_one_wish()
        self._listener = asyncio.create_task(self._pass_wishes_on())
        self._calls = 0
        info = workflow.info()
        claim = Claim(build_id=self._order.build_id, generation=self._order.generation, run_id=info.run_id)
        claimed: Claimed = await self._record("claim_build", claim, Claimed)
        self._checkpoint = claimed.build
        return claimed

    async def enter(self, code: int) -> bool:
        """Report that a state is entered; waits while the build is paused. False: this run has nothing more to do."""
        while True:
            self.raise_when_cancelled()
            self._calls = 0
            self._checkpoint = self.build.model_copy(update={"code": code})
            row = await self.report(BuildStatus.RUNNING)
            if not row.is_current or row.status != BuildStatus.RUNNING:
                return False
            if not row.is_paused and not row.is_cancel_wanted:
                return True
            # not for a wish, which is on its way to the row: an unpause pokes then, and a cancel arrives by itself
            await workflow.wait_condition(lambda: self._calls > 0)

    def leave(self, code: int, outcome: StageOutcome) -> None:
        """Take what a stage left into the run's knowledge; the next report tells it."""
        self._artifacts |= {artifact.name: artifact for artifact in outcome.artifacts}
        self._notices |= dict.fromkeys(outcome.notices)
        changes = {
            "code": outcome.back_to if outcome.back_to is not None else code + 1,
            "variables": self.build.variables | outcome.variables,
            "host_queue": outcome.host_queue or self.build.host_queue,
        }
        self._checkpoint = self.build.model_copy(update=changes)

    async def report(self, status: BuildStatus, failure: BaseException | None = None) -> RowView:
        """Tell the row the whole state and return what the row says."""
        self._seq += 1
        build = self._checkpoint
        report = StateReport(
            build_id=self._order.build_id,
            generation=self._order.generation,
            run_id=workflow.info().run_id,
            seq=self._seq,
            status=status,
            code=StateCode.COMPLETE if status == BuildStatus.SUCCEEDED else build.code if build is not None else 0,
            artifacts=tuple(self._artifacts.values()),
            variables=build.variables if build is not None else {},
            host_queue=build.host_queue if build is not None else None,
            failure=_describe(failure) if failure is not None else None,
            notices=tuple(self._notices),
        )
        row: RowView = await self._record("report_state", report, RowView)
        workflow.upsert_search_attributes(_shown(row, report.code))
        return row

    async def go_on(self, *, parked: bool, stays_open: timedelta | None = None) -> NoReturn:
        """Go on as a new run, which starts from the row. Never parks over a signal that nobody has looked at."""
        if self._listener is not None:
            self._listener.cancel()  # a wish that it was passing on goes along, and is passed on again
        await workflow.wait_condition(workflow.all_handlers_finished)
        self.raise_when_cancelled()
        changes = {"parked": parked and not self.is_called(), "wishes": tuple(self._wishes)}
        if stays_open is not None:
            changes["stays_open"] = stays_open
        workflow.continue_as_new(self._order.model_copy(update=changes))

    def _wish(self, wish: Wish, state_code: int | None = None) -> None:
        self._wishes.append(RequestedWish(wish=wish, state_code=state_code))

    async def _pass_wishes_on(self) -> None:
        """Take wishes to the row while stages run; what follows from them comes back as a cancel or a poke."""
        while True:
            await workflow.wait_condition(lambda: bool(self._wishes))
            await self._pass_on_one_wish()

    async def _pass_on_one_wish(self) -> None:
        wish = WishReport(build_id=self._order.build_id, generation=self._order.generation, wish=self._wishes[0])
        await self._record("record_wish", wish, bool)
        del self._wishes[0]

    async def _record(self, activity: str, argument: Any, result_type: type) -> Any:  # noqa: ANN401
        """Speak with the row: at once in the workflow's own worker, else as an activity that waits as long as it takes.

        docs/decisions/0005. A record that is made twice is made once.
        """
        try:
            return await workflow.execute_local_activity(
                activity,
                argument,
                result_type=result_type,
                schedule_to_close_timeout=_RECORD_AT_ONCE,
                retry_policy=_ONCE,
            )
        except FailureError as failure:  # not as an ActivityError, in which ordinary activities wrap theirs
            if is_cancelled_exception(failure):
                raise asyncio.CancelledError from failure
        return await workflow.execute_activity(
            activity,
            argument,
            task_queue=Queue.BUILDS,
            result_type=result_type,
            start_to_close_timeout=_RECORD_LONGEST,
            retry_policy=_RECORD_RETRIES,
        )


def _shown(row: RowView, code: int) -> list[SearchAttributeUpdate[Any]]:
    return [BUILD_STATUS.value_set(str(row.status)), BUILD_STATE.value_set(code)]


def _describe(failure: BaseException) -> FailureReport:
    """Put a failure into words for the row: what the activity said, or that it did not answer."""
    component = failure.activity_type if isinstance(failure, ActivityError) else "workflow"
    cause = failure.cause if isinstance(failure, ActivityError) else failure
    if isinstance(cause, ApplicationError):
        details = cause.details[0] if cause.details and isinstance(cause.details[0], dict) else {}
        return FailureReport(
            message=cause.message,
            code=cause.type or "defect",
            component=component,
            is_retryable=details.get("is_retryable", not cause.non_retryable),
            failing_step=details.get("failing_step"),
            exit_code=details.get("exit_code"),
        )
    if isinstance(cause, TemporalTimeout):
        message = f"{component} did not answer in time: its worker is gone or too slow."
        return FailureReport(message=message, code="timeout", component=component, is_retryable=True)
    return FailureReport(message=str(cause), code="defect", component=component)
