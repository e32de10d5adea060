"""Where our errors become Temporal's, and where a build's ids join every log line below.

Temporal waits between tries and counts them; what a failed try means is decided here (docs/decisions/0011). What
cannot be reached is tried again for as long as the patience lasts, a fault a few times, and what is wrong never.
"""

import asyncio
import logging
from typing import Any

import structlog
from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from activities.outages import Outages
from models.rules.build_payloads import Checkpoint, Claim, StageOutcome, StateReport, WishReport
from models.rules.errors.database import DATABASE_AWAY
from models.rules.errors.domain import DomainError
from models.rules.redaction import Redaction
from models.rules.waiting import SHORTEST_BACKOFF

log = logging.getLogger(__name__)

_LOOK_SECONDS = 1.0
_MOST_FAULTS = 6  # what goes wrong by chance is over by then, or a person has to look


class ErrorBorder(Interceptor):
    def __init__(self, outages: Outages, redaction: Redaction) -> None:
        self._outages = outages
        self._redaction = redaction

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _Border(next, self._outages, self._redaction)


class _Border(ActivityInboundInterceptor):
    def __init__(self, next: ActivityInboundInterceptor, outages: Outages, redaction: Redaction) -> None:
        super().__init__(next)
        self._outages = outages
        self._redaction = redaction

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: ANN401 - what an activity returns
        stage = _stage(input)
        with structlog.contextvars.bound_contextvars(**_bound(input)):
            try:
                if stage is not None and await self._faults_before(stage) >= _MOST_FAULTS:
                    raise _worn_out("its worker died, or did not answer in time")
                return self._told(await self._over_outages(input))
            except DomainError as failure:
                error = self._redaction.error(failure)
                log.warning("activity_failed", extra={"code": error.code, "why": error.detail})
                raise await self._in_temporals_words(error, stage) from error
            except Exception as defect:
                # a defect stays one, with its traceback in the log, but it is not tried again for ever
                if stage is not None and not isinstance(defect, ApplicationError) and await self._is_last(stage):
                    said = self._redaction.text(str(defect))
                    raise ApplicationError(said, type=type(defect).__name__, non_retryable=True) from defect
                raise

    def _told(self, outcome: Any) -> Any:  # noqa: ANN401 - what an activity returned
        """Return it as it may be stored: its sentences may hold what others said."""
        if not isinstance(outcome, StageOutcome):
            return outcome
        changes = {
            "message": self._redaction.text(outcome.message),
            "notices": self._redaction.texts(outcome.notices),
        }
        return outcome.model_copy(update=changes)

    async def _over_outages(self, call: ExecuteActivityInput) -> Any:  # noqa: ANN401
        """Wait while Postgres is away, and run again: activities may run twice, and an outage must use up no tries.

        Those without heartbeats are the records, which Temporal tries again without a limit.
        """
        while True:
            try:
                return await super().execute_activity(call)
            except DATABASE_AWAY as error:
                if activity.info().heartbeat_timeout is None:
                    raise
                log.warning("activity_waits_for_database", extra={"why": error.detail})
                activity.heartbeat()
                await asyncio.sleep(_LOOK_SECONDS)

    async def _in_temporals_words(self, error: DomainError, stage: Checkpoint | None) -> ApplicationError:
        detail, is_last, delay = error.detail, not error.retryable, error.retry_after
        if stage is not None and error.is_outage:
            try:
                next_try_in = await self._outages.fail_try(stage, error)
            except DATABASE_AWAY:  # then it is tried again soon, as long as that lasts
                delay = SHORTEST_BACKOFF
            else:
                is_last, delay = next_try_in is None, next_try_in
                if is_last:
                    detail = f"{detail} It was waited for as long as SLIPWAY_OUTAGE_PATIENCE allows."
        elif stage is not None and error.retryable:
            is_last = await self._is_last(stage)
        return ApplicationError(
            detail,
            {
                "failing_step": getattr(error, "failing_step", None),
                "exit_code": getattr(error, "exit_code", None),
                "is_retryable": error.retryable,
            },
            type=error.code,
            non_retryable=is_last,
            next_retry_delay=delay,
            # said in one line above; the SDK would write a traceback for what is no defect
            category=ApplicationErrorCategory.BENIGN,
        )

    async def _is_last(self, stage: Checkpoint) -> bool:
        return await self._faults_before(stage) + 1 >= _MOST_FAULTS

    async def _faults_before(self, stage: Checkpoint) -> int:
        """Return how many earlier tries of this stage failed, but for those that met an outage."""
        before = activity.info().attempt - 1
        if before + 1 < _MOST_FAULTS:  # as almost always: nothing needs to be asked
            return before
        try:
            return before - await self._outages.tries(stage)
        except DATABASE_AWAY:
            return 0


def _worn_out(why: str) -> ApplicationError:
    return ApplicationError(
        f"It was tried {_MOST_FAULTS} times and never came to an end: {why}.",
        {"is_retryable": True},
        type="worn_out",
        non_retryable=True,
    )


def _stage(call: ExecuteActivityInput) -> Checkpoint | None:
    """Return where the build stands whose stage this is; None for the records, which are tried without a limit."""
    given = call.args[0] if call.args else None
    return given if isinstance(given, Checkpoint) else None


def _bound(call: ExecuteActivityInput) -> dict[str, Any]:
    info = activity.info()
    bound: dict[str, Any] = {"activity": info.activity_type, "workflow": info.workflow_id, "try": info.attempt}
    given = call.args[0] if call.args else None
    if isinstance(given, Checkpoint | Claim | StateReport | WishReport):
        bound["build"] = str(given.build_id)
    if isinstance(given, Checkpoint):  # the others come before a run knows, or follow lines that name it
        bound["correlation_id"] = given.correlation_id
    return bound
