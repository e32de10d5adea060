"""A stage of a build as data: which activity, where, how long, how often."""

from dataclasses import dataclass, field
from datetime import timedelta

from temporalio import workflow
from temporalio.common import Priority, RetryPolicy
from temporalio.exceptions import ActivityError, TimeoutType
from temporalio.exceptions import TimeoutError as TemporalTimeout
from temporalio.workflow import ActivityCancellationType

with workflow.unsafe.imports_passed_through():
    from models.rules.build_lifecycle import StateCode
    from models.rules.build_payloads import Checkpoint, StageOutcome
    from models.rules.run_contract import Queue

# the error border of the activities says which try was the last: an outage must use up none (docs/decisions/0011)
_PATIENT = RetryPolicy(
    initial_interval=timedelta(seconds=1),
    backoff_coefficient=2,
    maximum_interval=timedelta(seconds=20),
)


@dataclass(frozen=True)
class Stage:
    code: int
    activity: str
    queue: str = Queue.BUILDS
    follows_image: bool = False  # runs on the host that holds the image
    longest: timedelta = timedelta(minutes=5)
    beats_within: timedelta = timedelta(seconds=10)
    retries: RetryPolicy = field(default_factory=lambda: _PATIENT)

    async def run(self, build: Checkpoint) -> StageOutcome:
        """Do the stage's work. Waits, when cancelled, for the proof that the work is dead.

        When nobody takes the work where the image lies, the answer is to go back and build it elsewhere.
        """
        try:
            return await self._execute(build)
        except ActivityError as failure:
            if _is_host_gone(failure):
                return StageOutcome(
                    message="the host that holds the image is gone; it is built again", back_to=StateCode.BUILD
                )
            raise

    async def _execute(self, build: Checkpoint) -> StageOutcome:
        queue = build.host_queue if self.follows_image and build.host_queue else self.queue
        outcome: StageOutcome = await workflow.execute_activity(
            self.activity,
            build,
            task_queue=queue,
            result_type=StageOutcome,
            start_to_close_timeout=self.longest,
            # a host that is gone for good is noticed: nobody takes the task
            schedule_to_start_timeout=timedelta(minutes=30) if self.follows_image else None,
            heartbeat_timeout=self.beats_within,
            retry_policy=self.retries,
            cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
            priority=Priority(priority_key=build.priority, fairness_key=build.fairness_key or None),
            summary=build.image,
        )
        return outcome


def _is_host_gone(failure: ActivityError) -> bool:
    """Tell whether nobody took the task in time; only stages that follow the image have such a limit."""
    return isinstance(failure.cause, TemporalTimeout) and failure.cause.type == TimeoutType.SCHEDULE_TO_START
