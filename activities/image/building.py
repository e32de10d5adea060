"""Building an image and making it the build's: the activities at a builder's engine."""

import asyncio
from collections.abc import Coroutine

from temporalio import activity

from activities.beats import beating
from activities.builder.attempt_tags import forget_attempt_tags
from activities.builder.host import BuilderHost
from activities.image.registering import Registering
from activities.ports.engine import ContainerEngine, EngineProgress
from activities.ports.runs import RunStates
from models.postgres.database import Database
from models.postgres.hints import Hints, build_topic
from models.repositories.build.reading import BuildReading
from models.rules.build_lifecycle import StateCode
from models.rules.build_payloads import ArtifactReport, Checkpoint, StageOutcome
from models.rules.errors.engine import BuildCancelled, ExecutionLost, ImageGone
from models.rules.errors.orchestrator import OrchestratorUnreachable
from models.rules.errors.source import SourceGone
from models.rules.errors.stored import error_named
from models.rules.run_contract import host_queue
from models.rules.waiting import LOST_AT_ONCE
from models.tables.execution import BuildExecution


class ImageActivities:
    def __init__(
        self, database: Database, hints: Hints, engine: ContainerEngine, builder: BuilderHost, runs: RunStates
    ) -> None:
        self._database = database
        self._hints = hints
        self._engine = engine
        self._builder = builder
        self._runs = runs
        self._registering = Registering(database, engine, builder.names)

    @activity.defn
    async def build_image(self, build: Checkpoint) -> StageOutcome:
        """Build the image, or watch the attempt that is on its way already; an attempt's end is read from its row.

        Only a wanted cancel ends the engine's work here: a cancelled activity may as well mean that Temporal was away.
        """
        try:
            ended = await self._builder.attempt(build, _run_id(), _beat)
        except asyncio.CancelledError:
            if await asyncio.shield(self._is_run_cancelled()):
                await asyncio.shield(self._builder.cancel(build.build_id))
            raise
        if ended.outcome == "succeeded" and ended.docker_image_id is not None:
            return StageOutcome(
                message=f"attempt {ended.attempt} on {ended.builder}",
                variables={"image_id": ended.docker_image_id, "builder": ended.builder},
                host_queue=host_queue(ended.builder),
                notices=tuple(ended.notices),
            )
        if ended.outcome == "cancelled" and not await self._is_cancel_wanted(build):
            raise ExecutionLost("The attempt was ended for a run that is gone; another one takes its place.")
        return _failed(ended)

    async def _is_run_cancelled(self) -> bool:
        """Tell a cancel from the end of the run itself: Temporal tells activities of both in the same words.

        The run of a cancel waits for this activity. One that was terminated, reset or deleted is closed, and whoever
        goes on with the build joins its work.
        """
        info = activity.info()
        if not _is_cancel_requested() or info.workflow_id is None:
            return False
        try:
            run = await self._runs.state(info.workflow_id, info.workflow_run_id)
        except OrchestratorUnreachable:
            return True  # else a cancel would be told of work that goes on
        return run is not None and run.end is None

    async def _is_cancel_wanted(self, build: Checkpoint) -> bool:
        async with self._database.transaction() as session:
            return await BuildReading(session).is_cancel_wanted(build.build_id)

    @activity.defn
    async def inspect_image(self, build: Checkpoint) -> StageOutcome:
        """Look at what was built. A pure read."""
        async with beating():
            image = await self._engine.image(build.variables["image_id"])
        if image is None:
            return StageOutcome(message="the image is gone; it is built again", back_to=StateCode.BUILD)
        artifact = ArtifactReport(
            state_code=60,
            name="image",
            type="docker_image",
            path=image.id,
            storage_backend="docker",
            size_bytes=image.size_bytes,
            checksum=image.id.removeprefix("sha256:"),
            metadata={"platform": image.platform, "layers": image.layers, "builder": build.variables.get("builder")},
        )
        variables = {"image_platform": image.platform, "image_size_bytes": str(image.size_bytes)}
        return StageOutcome(artifacts=(artifact,), variables=variables)

    @activity.defn
    async def push_image(self, build: Checkpoint) -> StageOutcome:
        """Push the image to the registry: there is none, so there is nothing to do."""
        return StageOutcome(message=f"no registry is configured; {build.image} stays on its builder")

    @activity.defn
    async def register_image(self, build: Checkpoint) -> StageOutcome:
        """Give the image its public name and end the build in success.

        Idempotent: a build that has succeeded stays as it is, and a name that points to this image is not set again. A
        cancel never cuts it in two: it is heard before the commit, or changes nothing.
        """
        try:
            async with beating():
                await _to_its_end(self._registering.register(build, _run_id(), _is_cancel_requested))
                self._hints.give(build_topic(build.build_id))
                await forget_attempt_tags(self._engine, build.build_id)
        except ImageGone:
            return StageOutcome(message="the image is gone; it is built again", back_to=StateCode.BUILD)
        return StageOutcome(message=f"registered as {build.image}", variables={"image_uri": build.image})


async def _to_its_end(work: Coroutine[None, None, None]) -> None:
    """Do work that a cancel must not cut in two; raises what it raises, or nothing when it came to its end."""
    task = asyncio.create_task(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        task.result()


def _is_cancel_requested() -> bool:
    details = activity.cancellation_details()
    return details is not None and details.cancel_requested


def _run_id() -> str:
    return activity.info().workflow_run_id or ""  # without a workflow nobody speaks for a build


def _beat(progress: EngineProgress) -> None:
    activity.heartbeat({"step": progress.step, "steps": progress.steps})


def _failed(ended: BuildExecution) -> StageOutcome:
    """Say how an attempt ended that made no image: raises its error, or goes back for a lost source."""
    if ended.error_code == SourceGone.code:
        return StageOutcome(message=ended.error or "", back_to=StateCode.FETCH_SOURCE)
    if ended.outcome == "cancelled":
        raise BuildCancelled(ended.error or "The build was cancelled.")
    if ended.error_code is None or ended.error_code == BuildCancelled.code:  # its worker stopped: nobody wanted that
        raise ExecutionLost(ended.error or "The attempt's lease ran out; another one takes its place.")
    error = error_named(ended.error_code, ended.error or "", failing_step=ended.failing_step, exit_code=ended.exit_code)
    lasted = (ended.ended_at or ended.started_at) - ended.started_at
    if error.is_outage and lasted >= LOST_AT_ONCE:  # a fault: what ends its engine each time must not do so for ever
        raise ExecutionLost(error.detail)
    raise error
