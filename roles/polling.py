"""A Temporal worker as every role of ours wants it."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from temporalio.worker import CustomSlotSupplier, FixedSizeSlotSupplier, Worker, WorkerTuner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from activities.error_border import ErrorBorder
from roles.composition import WorkerWorld
from roles.pools import RECORDS_AT_ONCE
from workflows.image_build import ImageBuild

_BEATS = timedelta(seconds=1)  # how often heartbeats, and the cancels they bring back, travel
_CACHED_WORKFLOWS = 500
LIGHT_ACTIVITIES = 64
_WORKFLOW_TASKS = 100
_POLLS = 5

Activities = Sequence[Callable[..., Any]]


def polls(
    parts: WorkerWorld,
    queue: str,
    activities: Activities,
    *,
    workflows: bool = False,
    at_once: int | CustomSlotSupplier = LIGHT_ACTIVITIES,
    asks_at_once: int = _POLLS,
) -> Worker:
    """Return a worker of a queue, to be entered. A supplier decides itself when a task is asked for."""
    return Worker(
        parts.client,
        task_queue=queue,
        workflows=[ImageBuild] if workflows else [],
        activities=activities,
        interceptors=[ErrorBorder(parts.outages, parts.redaction)],
        tuner=WorkerTuner.create_composite(
            workflow_supplier=FixedSizeSlotSupplier(_WORKFLOW_TASKS),
            activity_supplier=FixedSizeSlotSupplier(at_once) if isinstance(at_once, int) else at_once,
            local_activity_supplier=FixedSizeSlotSupplier(RECORDS_AT_ONCE),
            nexus_supplier=FixedSizeSlotSupplier(1),
        ),
        max_concurrent_activity_task_polls=asks_at_once,
        max_cached_workflows=_CACHED_WORKFLOWS,
        max_heartbeat_throttle_interval=_BEATS,
        default_heartbeat_throttle_interval=_BEATS,
        graceful_shutdown_timeout=parts.settings.drain_timeout,
        # else an unexpected exception leaves the workflow trying its task again for ever, deaf to cancel
        workflow_failure_exception_types=[Exception],
        workflow_runner=SandboxedWorkflowRunner(restrictions=SandboxRestrictions.default),
    )
