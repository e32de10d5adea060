"""Where our errors become Temporal's, and where a build's ids join every log line below."""

import asyncio
import logging
from typing import Any

import structlog
from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from models.rules.build_payloads import Checkpoint, Claim, StateReport, WishReport
from models.rules.errors.database import DATABASE_AWAY
from models.rules.errors.domain import DomainError

log = logging.getLogger(__name__)

_LOOK_SECONDS = 1.0


class ErrorBorder(Interceptor):
    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _Border(next)


class _Border(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: ANN401 - what an activity returns
        with structlog.contextvars.bound_contextvars(**_bound(input)):
            try:
                return await self._over_outages(input)
            except DomainError as error:
                details = {
                    "failing_step": getattr(error, "failing_step", None),
                    "exit_code": getattr(error, "exit_code", None),
                }
                log.warning("activity_failed", extra={"code": error.code, "why": error.detail})
                raise ApplicationError(
                    error.detail,
                    details,
                    type=error.code,
                    non_retryable=not error.retryable,
                    next_retry_delay=error.retry_after,
                    # said in one line above; the SDK would write a traceback for what is no defect
                    category=ApplicationErrorCategory.BENIGN,
                ) from error

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


def _bound(call: ExecuteActivityInput) -> dict[str, Any]:
    info = activity.info()
    bound: dict[str, Any] = {"activity": info.activity_type, "workflow": info.workflow_id, "try": info.attempt}
    given = call.args[0] if call.args else None
    if isinstance(given, Checkpoint | Claim | StateReport | WishReport):
        bound["build"] = str(given.build_id)
    if isinstance(given, Checkpoint):  # the others come before a run knows, or follow lines that name it
        bound["correlation_id"] = given.correlation_id
    return bound
