"""Temporal as delivery needs it: pokes that start or wake, and native cancels."""

import dataclasses
from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Any

from temporalio.api.failure.v1 import Failure
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.common import (
    Priority,
    SearchAttributeKey,
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import DataConverter, DefaultFailureConverter, PayloadConverter
from temporalio.envconfig import ClientConfig
from temporalio.service import RPCError, RPCStatusCode

from activities.ports.runs import RunAddress, RunEnd, RunState
from models.rules.errors.orchestrator import OrchestratorRefused, OrchestratorUnreachable
from models.rules.redaction import Redaction
from models.rules.run_contract import SearchAttribute

_USUAL_ADDRESS = "localhost:7233"  # Temporal's own, where nothing is said
_CALL_TIMEOUT = timedelta(seconds=1)
_LIST_TIMEOUT = timedelta(seconds=5)
_LONGEST_TRACEBACK = 20_000
_GONE = RPCStatusCode.NOT_FOUND
# what Temporal says of the call itself: another try would be answered in the same way
_REFUSED = {
    RPCStatusCode.INVALID_ARGUMENT,
    RPCStatusCode.NOT_FOUND,
    RPCStatusCode.PERMISSION_DENIED,
    RPCStatusCode.UNAUTHENTICATED,
    RPCStatusCode.FAILED_PRECONDITION,
    RPCStatusCode.UNIMPLEMENTED,
}
_ENDS: dict[WorkflowExecutionStatus | None, RunEnd] = {
    WorkflowExecutionStatus.TERMINATED: RunEnd.TERMINATED,
    WorkflowExecutionStatus.CANCELED: RunEnd.CANCELLED,
}


async def connect(*, lazy: bool, address: str | None = None, redaction: Redaction | None = None) -> Client:
    """Connect as Temporal's own settings say (TEMPORAL_ADDRESS, …); `lazy` connects with the first call.

    Temporal keeps every error with its causes and tracebacks: `redaction` is what they go through.
    """
    told = ClientConfig.load_client_connect_config()
    told.setdefault("target_host", _USUAL_ADDRESS)
    if address is not None:
        told["target_host"] = address
    return await Client.connect(**told, data_converter=redacting(redaction or Redaction()), lazy=lazy)


def redacting(redaction: Redaction) -> DataConverter:
    class RedactingFailures(DefaultFailureConverter):
        def to_failure(self, exception: BaseException, payload_converter: PayloadConverter, failure: Failure) -> None:
            super().to_failure(exception, payload_converter, failure)  # which comes back here for each cause
            failure.message = redaction.text(failure.message)
            failure.stack_trace = redaction.text(failure.stack_trace, _LONGEST_TRACEBACK)

    return dataclasses.replace(pydantic_data_converter, failure_converter_class=RedactingFailures)


class TemporalRuns:
    """Implements activities.ports.runs.Runs and RunStates."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def poke(self, run: RunAddress) -> None:
        try:
            await self._client.start_workflow(
                run.workflow_type,
                run.order,
                id=run.workflow_id,
                task_queue=run.queue,
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                start_signal="poke",
                search_attributes=_typed(run.attributes),
                priority=Priority(priority_key=run.priority, fairness_key=run.fairness_key or None),
                static_summary=run.summary,
                rpc_timeout=_CALL_TIMEOUT,
            )
        except (RPCError, RuntimeError) as error:
            raise _named(error) from error

    async def cancel(self, run: RunAddress) -> bool:
        try:
            await self._client.get_workflow_handle(run.workflow_id).cancel(rpc_timeout=_CALL_TIMEOUT)
        except RPCError as error:
            if error.status == _GONE:
                return False
            raise _named(error) from error
        except RuntimeError as error:
            raise _named(error) from error
        return True

    async def state(self, workflow_id: str, run_id: str | None = None) -> RunState | None:
        handle = self._client.get_workflow_handle(workflow_id, run_id=run_id)
        try:
            described = await handle.describe(rpc_timeout=_CALL_TIMEOUT)
        except RPCError as error:
            if error.status == _GONE:
                return None
            raise _named(error) from error
        except RuntimeError as error:
            raise _named(error) from error
        is_open = described.status == WorkflowExecutionStatus.RUNNING
        return RunState(described.run_id, None if is_open else _ENDS.get(described.status, RunEnd.OTHERWISE))

    async def open_among(self, workflow_ids: Collection[str]) -> set[str]:
        if not workflow_ids:
            return set()
        listed = ", ".join(f"'{workflow_id}'" for workflow_id in workflow_ids)  # of names that hold no quotes
        query = f"ExecutionStatus = 'Running' AND WorkflowId IN ({listed})"
        try:
            found = self._client.list_workflows(query, limit=len(workflow_ids), rpc_timeout=_LIST_TIMEOUT)
            return {execution.id async for execution in found}
        except (RPCError, RuntimeError) as error:
            raise _named(error) from error

    async def ping(self) -> None:
        """Raise OrchestratorUnreachable when Temporal does not answer."""
        try:
            is_healthy = await self._client.service_client.check_health(timeout=_CALL_TIMEOUT)
        except (RPCError, RuntimeError) as error:
            raise _named(error) from error
        if not is_healthy:
            raise OrchestratorUnreachable("Temporal answers that it is not serving; builds wait until it is.")


def _typed(attributes: Mapping[SearchAttribute, str | int]) -> TypedSearchAttributes:
    pairs: list[SearchAttributePair[Any]] = [
        SearchAttributePair(
            SearchAttributeKey.for_int(name) if isinstance(value, int) else SearchAttributeKey.for_keyword(name), value
        )
        for name, value in attributes.items()
    ]
    return TypedSearchAttributes(pairs)


def _named(error: Exception) -> OrchestratorUnreachable | OrchestratorRefused:
    if isinstance(error, RPCError) and error.status in _REFUSED:
        return OrchestratorRefused(f"Temporal refuses this build's workflow: {error.message[:300]}")
    return OrchestratorUnreachable(f"Temporal cannot be reached; builds wait until it can. ({type(error).__name__})")
