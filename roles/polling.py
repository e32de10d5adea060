"""A Temporal worker as every role of ours wants it."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from temporalio.worker import Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from activities.error_border import ErrorBorder
from roles.composition import POOL_SIZE, WorkerWorld
from workflows.image_build import ImageBuild

_BEATS = timedelta(seconds=1)  # how often heartbeats, and the cancels they bring back, travel
_CACHED_WORKFLOWS = 500
_LIGHT_ACTIVITIES = 64

Activities = Sequence[Callable[..., Any]]


def polls(
    parts: WorkerWorld, queue: str, activities: Activities, *, workflows: bool = False, at_once: int = _LIGHT_ACTIVITIES
) -> Worker:
    return Worker(
        parts.client,
        task_queue=queue,
        workflows=[ImageBuild] if workflows else [],
        activities=activities,
        interceptors=[ErrorBorder(parts.outages)],
        max_concurrent_activities=at_once,
        max_concurrent_local_activities=POOL_SIZE,  # more records at once would only wait for a connection
        max_cached_workflows=_CACHED_WORKFLOWS,
        max_heartbeat_throttle_interval=_BEATS,
        default_heartbeat_throttle_interval=_BEATS,
        graceful_shutdown_timeout=parts.settings.drain_timeout,
        # else an unexpected exception leaves the workflow trying its task again for ever, deaf to cancel
        workflow_failure_exception_types=[Exception],
        workflow_runner=SandboxedWorkflowRunner(restrictions=SandboxRestrictions.default),
    )
