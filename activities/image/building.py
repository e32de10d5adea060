"""Building an image and making it the build's: the activities at a builder's engine."""

import asyncio

from temporalio import activity

from activities.beats import beating
from activities.builder.host import BuilderHost
from activities.image.public_name import refuse_foreign
from activities.ports.engine import ContainerEngine, EngineImage, EngineProgress
from models.postgres.database import Database
from models.postgres.hints import Hints, build_topic
from models.repositories.build.ending import BuildEnding
from models.repositories.execution import ExecutionRepository
from models.rules.build_lifecycle import BuildStatus, StateCode, may_succeed
from models.rules.build_payloads import ArtifactReport, Checkpoint, StageOutcome
from models.rules.errors.engine import BuildCancelled, ExecutionLost, ImageGone
from models.rules.errors.request import BuildStateConflict
from models.rules.errors.source import SourceGone
from models.rules.errors.stored import error_named
from models.rules.image_reference import RESERVED_PREFIX
from models.rules.run_contract import Label, host_queue
from models.rules.waiting import LOST_AT_ONCE
from models.tables.execution import BuildExecution


class ImageActivities:
    def __init__(self, database: Database, hints: Hints, engine: ContainerEngine, builder: BuilderHost) -> None:
        self._database = database
        self._hints = hints
        self._engine = engine
        self._builder = builder

    @activity.defn
    async def build_image(self, build: Checkpoint) -> StageOutcome:
        """Build the image, or watch the attempt that is on its way already; an attempt's end is read from its row.

        Only a wanted cancel ends the engine's work here: a cancelled activity may as well mean that Temporal was away.
        """
        try:
            ended = await self._builder.attempt(build, _run_id(), _beat)
        except asyncio.CancelledError:
            details = activity.cancellation_details()
            if details is not None and details.cancel_requested:
                await asyncio.shield(self._builder.cancel(build.build_id))
            raise
        if ended.outcome == "succeeded" and ended.docker_image_id is not None:
            return StageOutcome(
                message=f"attempt {ended.attempt} on {ended.builder}",
                variables={"image_id": ended.docker_image_id, "builder": ended.builder},
                host_queue=host_queue(ended.builder),
                notices=tuple(ended.notices),
            )
        return _failed(ended)

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
        """Give the image its public name and end the build in success, in one transaction.

        Idempotent: a build that has succeeded stays as it is, and a name that points to this image is not set again.
        """
        try:
            async with beating():
                await self._register(build)
                self._hints.give(build_topic(build.build_id))
                await self._forget_attempts(build)
        except ImageGone:
            return StageOutcome(message="the image is gone; it is built again", back_to=StateCode.BUILD)
        return StageOutcome(message=f"registered as {build.image}", variables={"image_uri": build.image})

    async def _register(self, build: Checkpoint) -> None:
        async with self._database.transaction() as session:
            builds = BuildEnding(session)
            locked = await builds.lock_for_success(build.build_id, _run_id())
            if locked is None:
                raise ExecutionLost("Another run took this build over.")
            row, facts, now = locked
            if row.status == BuildStatus.SUCCEEDED:
                return
            if not may_succeed(facts):
                raise BuildStateConflict("A cancel was wanted before the image could be registered.")
            execution = await ExecutionRepository(session).lock_current(build.build_id)
            if execution is None or execution.docker_image_id != build.variables["image_id"]:
                raise ExecutionLost("A newer attempt of this build exists; its image counts.")
            image = await self._name_image(build)
            shown = {"docker_image_id": image.id, "image_uri": build.image, "size_bytes": image.size_bytes}
            await builds.succeed(row, now, build, shown)

    async def _name_image(self, build: Checkpoint) -> EngineImage:
        image = await self._engine.image(build.variables["image_id"])
        if image is None:
            raise ImageGone("The image that was built is no longer on its builder.")
        await refuse_foreign(self._engine, self._builder.identity.instance, build.image)
        present = await self._engine.image(build.image)
        if present is None or present.id != image.id:
            await self._engine.tag(image.id, build.image)
        return image

    async def _forget_attempts(self, build: Checkpoint) -> None:
        """Take the attempts' own names away, now that the image has its public one."""
        attempts = f"{RESERVED_PREFIX}{build.build_id}:"
        for tag in await self._engine.tags_labelled(Label.BUILD, str(build.build_id)):
            if tag.startswith(attempts):
                await self._engine.untag(tag)


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
