"""Giving an image its public name and ending its build in success.

The name is given first, and the commit is the point of no return. No transaction is open while the engine is asked:
it may take its time, and others want the row. When the commit does not come the name is put back; what is left by a
death in between, the names' repair finds.
"""

from collections.abc import Callable
from datetime import datetime

from activities.builder.public_names import PublicNames
from activities.ports.engine import ContainerEngine, EngineImage
from models.postgres.database import Database, Session
from models.repositories.build.ending import BuildEnding
from models.repositories.execution import ExecutionRepository
from models.rules.build_lifecycle import BuildStatus, may_succeed
from models.rules.build_payloads import Checkpoint
from models.rules.errors.engine import BuildCancelled, ExecutionLost, ImageGone
from models.rules.errors.request import BuildStateConflict
from models.tables.build import Build


class Registering:
    def __init__(self, database: Database, engine: ContainerEngine, names: PublicNames) -> None:
        self._database = database
        self._engine = engine
        self._names = names

    async def register(self, build: Checkpoint, run_id: str, is_unwanted: Callable[[], bool]) -> None:
        """Register the image that this build came to; a build that has succeeded stays as it is.

        `is_unwanted` is asked last before the commit. Raises BuildCancelled then; BuildStateConflict when the row
        wants no image any more; ExecutionLost when another run or attempt counts; ImageGone; ForeignImage.
        """
        async with self._names.held(build.image):
            is_registered = False
            try:
                if not await self._is_done(build, run_id):
                    image = await self._built(build)
                    await self._names.give(image, build.image)
                    if is_unwanted():
                        raise BuildCancelled("The build was cancelled before its image was registered.")
                    await self._commit(build, run_id, image)
                is_registered = True
            finally:
                if not is_registered:
                    await self._names.put_back(build.variables["image_id"], build.image)

    async def _is_done(self, build: Checkpoint, run_id: str) -> bool:
        async with self._database.transaction() as session:
            return await _lock_registrable(session, build, run_id) is None

    async def _built(self, build: Checkpoint) -> EngineImage:
        image = await self._engine.image(build.variables["image_id"])
        if image is None:
            raise ImageGone("The image that was built is no longer on its builder.")
        return image

    async def _commit(self, build: Checkpoint, run_id: str, image: EngineImage) -> None:
        shown = {"docker_image_id": image.id, "image_uri": build.image, "size_bytes": image.size_bytes}
        async with self._database.transaction() as session:
            locked = await _lock_registrable(session, build, run_id)
            if locked is not None:
                await BuildEnding(session).succeed(*locked, build, shown)


async def _lock_registrable(session: Session, build: Checkpoint, run_id: str) -> tuple[Build, datetime] | None:
    """Lock the row of a build whose image may be registered; None when it is registered already."""
    locked = await BuildEnding(session).lock_for_success(build.build_id, run_id)
    if locked is None:
        raise ExecutionLost("Another run took this build over.")
    row, facts, now = locked
    if row.status == BuildStatus.SUCCEEDED:
        return None
    if not may_succeed(facts):
        why = "its cancel is wanted" if facts.is_cancel_wanted else f"it is {row.status}"
        raise BuildStateConflict(f"The image of this build is not registered: {why}.")
    execution = await ExecutionRepository(session).lock_current(build.build_id)
    if execution is None or execution.docker_image_id != build.variables["image_id"]:
        raise ExecutionLost("A newer attempt of this build exists; its image counts.")
    return row, now
