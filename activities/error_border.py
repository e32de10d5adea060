"""Where our errors become Temporal's, and where a build's ids join every log line below."""

import logging
from typing import Any

import structlog
from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from models.build_payloads import Checkpoint
from models.errors import DomainError

log = logging.getLogger(__name__)


class ErrorBorder(Interceptor):
    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _Border(next)


class _Border(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: ANN401 - what an activity returns
        with structlog.contextvars.bound_contextvars(**_bound(input)):
            try:
                return await super().execute_activity(input)
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


def _bound(call: ExecuteActivityInput) -> dict[str, Any]:
    info = activity.info()
    bound: dict[str, Any] = {"activity": info.activity_type, "workflow": info.workflow_id, "try": info.attempt}
    if call.args and isinstance(call.args[0], Checkpoint):
        bound |= {"build": str(call.args[0].build_id), "correlation_id": call.args[0].correlation_id}
    return bound
