"""Reading one image, at once or when its build has settled."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from uuid import UUID

from api.images.schemas import ImageAnswer
from api.logs.stored import StoredLogs
from api.paths import image_path
from models.postgres.database import Database, Session
from models.postgres.hints import Hints, build_topic
from models.repositories.image.reading import ImageReading, ImageView
from models.repositories.log.facts import stored_log
from models.rules.build_lifecycle import ImageStatus

SETTLED = {ImageStatus.SUCCESS, ImageStatus.FAILED}
_LOOK_SECONDS = 1.0


async def read_image(image_id: int, database: Database, logs: StoredLogs, *, lines: int | None = None) -> ImageAnswer:
    """Return the whole image with its newest attempt's log. Raises ImageNotFound."""
    async with database.transaction() as session:
        return await image_answer(image_id, session, logs, lines=lines)


async def image_answer(image_id: int, session: Session, logs: StoredLogs, *, lines: int | None = None) -> ImageAnswer:
    """Return it as it is in this transaction. Raises ImageNotFound."""
    view = await ImageReading(session).view(image_id)
    build_log = None
    if view.execution is not None:
        log = stored_log(view.build, view.execution)
        build_log = await logs.text(session, log, whole=f"{image_path(image_id)}/log", lines=lines)
    return ImageAnswer.of(view, build_log)


class Waiting:
    """Waits for builds to settle without holding a connection."""

    def __init__(self, database: Database, hints: Hints, stopping: asyncio.Event) -> None:
        self._database = database
        self._hints = hints
        self._stopping = stopping

    async def until_settled(
        self, image_id: int, build_id: UUID, seconds: int, is_gone: Callable[[], Awaitable[bool]]
    ) -> bool:
        """Say whether the image settled within `seconds`; False too when we stop, or whoever asked `is_gone`.

        Raises ImageNotFound when the image is deleted meanwhile.
        """
        until = time.monotonic() + seconds
        async with self._hints.watching(build_topic(build_id)) as watch:
            while True:
                if is_settled(await self._look(image_id)):
                    return True
                left = until - time.monotonic()
                if left <= 0 or self._stopping.is_set() or await is_gone():
                    return False
                await watch.wait(min(_LOOK_SECONDS, left))

    async def _look(self, image_id: int) -> ImageView:
        async with self._database.transaction() as session:
            return await ImageReading(session).view(image_id)


def is_settled(view: ImageView) -> bool:
    return view.image.build_status in SETTLED
