"""How a GitHub tag becomes a Docker image: the order of things, and nothing else."""

import asyncio
from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

from workflows.build_record import BuildRecord
from workflows.stage import Stage

with workflow.unsafe.imports_passed_through():
    from models.rules.build_lifecycle import FINISHED, BuildStatus, ClaimAnswer, StateCode
    from models.rules.build_payloads import ImageBuildOrder
    from models.rules.run_contract import Queue, WorkflowType

_DAY = timedelta(days=1)  # how long a build may wait for its turn and work; what it does has limits of its own

STAGES = (
    Stage(StateCode.RESOLVE_TAG, "resolve_tag", queue=Queue.ENGINE),
    # waits while enough sources lie ready ahead of the builders
    Stage(StateCode.FETCH_SOURCE, "fetch_source", queue=Queue.SOURCE, longest=_DAY),
    Stage(StateCode.BUILD, "build_image", queue=Queue.DOCKER, longest=_DAY),
    Stage(StateCode.INSPECT, "inspect_image", queue=Queue.ENGINE, follows_image=True),
    Stage(StateCode.PUSH, "push_image", queue=Queue.ENGINE, follows_image=True, longest=timedelta(hours=1)),
    Stage(StateCode.REGISTER, "register_image", queue=Queue.ENGINE, follows_image=True),
)
_MOST_STEPS_BACK = 3  # a store that loses what it keeps must not keep a build running for ever


@workflow.defn(name=WorkflowType.IMAGE_BUILD)
class ImageBuild(BuildRecord):
    @workflow.run
    async def run(self, order: ImageBuildOrder) -> None:
        try:
            if order.parked:
                await self._wait_for_resume(order.stays_open)
            else:
                await self._begin()
        except (ActivityError, asyncio.CancelledError) as end:
            if workflow.cancellation_reason() is None:  # ask this, not the error: with a dead worker it is a timeout
                raise
            row = await asyncio.shield(self.report(BuildStatus.CANCELLED))  # a second cancel must not lose the record
            if row.status != BuildStatus.SUCCEEDED:  # the row decides: it may have succeeded just before
                raise asyncio.CancelledError from end

    async def _begin(self) -> None:
        claimed = await self.claim()
        if claimed.answer == ClaimAnswer.PARK:
            await self.go_on(parked=True, stays_open=claimed.stays_open)
        elif claimed.answer == ClaimAnswer.WORK:
            await self._build()

    async def _build(self) -> None:
        try:
            steps_back = 0
            while (stage := self._next_stage()) is not None:  # what lies before is never run again
                if not await self.enter(stage.code):
                    return
                outcome = await stage.run(self.build)
                steps_back += outcome.back_to is not None
                if steps_back > _MOST_STEPS_BACK:
                    raise ApplicationError("what earlier states left is lost again and again", type="checkpoint_lost")
                self.leave(stage.code, outcome)
            await self.report(BuildStatus.SUCCEEDED)  # the row knows already: registering was the point of no return
        except (ActivityError, ApplicationError) as failure:
            if workflow.cancellation_reason() is None:
                row = await self.report(BuildStatus.FAILED, failure)
                if not row.is_current or row.status in FINISHED:  # else it would wait where nobody can resume it
                    return
                await self.go_on(parked=True)
            raise

    def _next_stage(self) -> Stage | None:
        return next((stage for stage in STAGES if stage.code >= self.build.code), None)

    async def _wait_for_resume(self, limit: timedelta) -> None:
        try:
            await workflow.wait_condition(self.is_called, timeout=limit)  # a parked run's first command, for ever
        except TimeoutError:
            raise ApplicationError("nobody resumed this build in time", type="build_not_resumed") from None
        await self.hear_the_rest()
        await self.go_on(parked=False)
