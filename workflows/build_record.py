"""What every build's workflow does beside its stages: claim, enter and leave states, report."""

from typing import Any

from temporalio import workflow
from temporalio.common import SearchAttributeKey, SearchAttributeUpdate
from temporalio.exceptions import ActivityError, ApplicationError
from temporalio.exceptions import TimeoutError as TemporalTimeout

from workflows.durable_run import DurableRun

with workflow.unsafe.imports_passed_through():
    from models.rules.build_lifecycle import BuildStatus, StateCode
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
    from models.rules.run_contract import SearchAttribute

BUILD_STATUS = SearchAttributeKey.for_keyword(SearchAttribute.BUILD_STATUS)
BUILD_STATE = SearchAttributeKey.for_int(SearchAttribute.BUILD_STATE)


class BuildRecord(DurableRun):
    """A run that carries a build, and tells the build's row all that it does."""

    @workflow.init
    def __init__(self, order: ImageBuildOrder) -> None:
        super().__init__(order)
        self._build_id, self._generation = order.build_id, order.generation
        self._seq = 0
        self._artifacts: dict[str, ArtifactReport] = {}
        self._notices: dict[str, None] = {}  # each once, in order
        self._checkpoint: Checkpoint | None = None

    @property
    def build(self) -> Checkpoint:
        if self._checkpoint is None:
            raise ApplicationError("the run has claimed no build", type="not_claimed")
        return self._checkpoint

    @workflow.query
    def status(self) -> dict[str, Any]:
        """Return where the build stands, as this run knows it."""
        build = self._checkpoint
        return {
            "parked": self._order.parked,
            "state": build.code if build is not None else None,
            "variables": build.variables if build is not None else {},
        }

    async def claim(self) -> Claimed:
        """Ask the row for work; what operators signalled before goes to the row first."""
        await self.listen()
        claim = Claim(build_id=self._build_id, generation=self._generation, run_id=workflow.info().run_id)
        claimed: Claimed = await self.record("claim_build", claim, Claimed)
        self._checkpoint = claimed.build
        return claimed

    async def record_wish(self, wish: RequestedWish) -> None:
        report = WishReport(build_id=self._build_id, generation=self._generation, wish=wish)
        await self.record("record_wish", report, bool)

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
        """Tell the row the whole state and return what the row says.

        A run that was reset goes on as a new one, from where the row stands: what is done is not done again.
        """
        self._seq += 1
        build = self._checkpoint
        report = StateReport(
            build_id=self._build_id,
            generation=self._generation,
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
        row: RowView = await self.record("report_state", report, RowView)
        if row.must_claim:
            await self.go_on(parked=False)
        workflow.upsert_search_attributes(_shown(row, report.code))
        return row


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
