"""Reading images, one or a page, beside what their newest builds report."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, and_, case, func, literal, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from models.repositories.queue.waiting import WaitingBuild, WaitRepository, holds
from models.rules.build_lifecycle import ImageStatus
from models.rules.errors.request import ImageNotFound
from models.rules.image_filter import ImageFilter
from models.rules.notices import gathered
from models.rules.run_contract import image_workflow_id
from models.tables.build import Build, BuildProgress
from models.tables.execution import BuildExecution
from models.tables.image import DockerImage
from models.tables.waiting import BuildWait


@dataclass(frozen=True)
class ImageView:
    """An image beside what its newest build reports; the log is not in it."""

    image: DockerImage
    build: Build
    progress: BuildProgress | None
    execution: BuildExecution | None
    last_lines: str | None  # for lists: the last line while building, the tail when failed
    waits_for: str | None  # what an open build waits for, as a sentence

    @property
    def notices(self) -> list[str]:
        """What is said of the build and of its newest attempt."""
        attempt = self.execution
        of_attempt = [*attempt.notices, attempt.log_loss] if attempt is not None else []
        return gathered([*self.build.notices, *of_attempt])

    @property
    def workflow_id(self) -> str:
        return image_workflow_id(self.build.image_name or "", self.build.image_tag or "", self.build.generation or 0)


@dataclass(frozen=True)
class PageKey:
    """The place of an image in the list, newest first."""

    created_at: datetime
    image_id: int


class ImageReading:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def view(self, image_id: int) -> ImageView:
        """Return one image; raise ImageNotFound."""
        row = (await self._session.execute(_views().where(col(DockerImage.id) == image_id))).one_or_none()
        if row is None:
            raise ImageNotFound(f"There is no image {image_id}.")
        return (await self._viewed([row]))[0]

    async def id_of(self, build_id: UUID) -> int:
        """Return the image that a build was ordered for; raise ImageNotFound when its record was deleted."""
        image_id = await self._session.scalar(select(col(Build.image_id)).where(col(Build.id) == build_id))
        if image_id is None:
            raise ImageNotFound(f"The image of build {build_id} is gone.")
        return image_id

    async def page(self, wanted: ImageFilter, after: PageKey | None, limit: int) -> list[ImageView]:
        """Return up to `limit` images, newest first, that come after the given place."""
        images = select(DockerImage).order_by(col(DockerImage.created_at).desc(), col(DockerImage.id).desc())
        filtered = {
            col(DockerImage.build_status): wanted.status,
            col(DockerImage.name_key): wanted.name_key,
            func.lower(col(DockerImage.github_repo)): wanted.repo_key,
            col(DockerImage.tag): wanted.tag,
        }
        images = images.where(*(column == value for column, value in filtered.items() if value is not None))
        if after is not None:
            place = tuple_(col(DockerImage.created_at), col(DockerImage.id))
            images = images.where(place < tuple_(literal(after.created_at), literal(after.image_id)))
        page = images.limit(limit).cte("page").prefix_with("MATERIALIZED")
        listed = (
            _views().join(page, page.c.id == col(DockerImage.id)).order_by(page.c.created_at.desc(), page.c.id.desc())
        )
        return await self._viewed(list(await self._session.execute(listed)))

    async def _viewed(self, rows: Sequence[Any]) -> list[ImageView]:
        waiting = [WaitingBuild(build, execution, told) for _, build, _, execution, _, told in rows]
        sentences = await WaitRepository(self._session).sentences(waiting)
        return [
            ImageView(image, build, progress, execution, last_lines, waits_for)
            for (image, build, progress, execution, last_lines, _), waits_for in zip(rows, sentences, strict=True)
        ]


def _views() -> Select[Any]:
    last_lines = case(
        (col(DockerImage.build_status) == ImageStatus.BUILDING, col(BuildProgress.last_line)),
        (col(DockerImage.build_status) == ImageStatus.FAILED, col(BuildExecution.log_tail)),
        else_=None,
    )
    newest_execution = and_(
        col(BuildExecution.build_id) == col(Build.id), col(BuildExecution.attempt) == col(Build.attempt)
    )
    return (
        select(DockerImage, Build, BuildProgress, BuildExecution, last_lines, BuildWait)
        .join(Build, col(Build.id) == col(DockerImage.build_id))
        .outerjoin(BuildProgress, col(BuildProgress.build_id) == col(Build.id))
        .outerjoin(BuildExecution, newest_execution)
        .outerjoin(BuildWait, holds())
    )
