"""All SQL of images: ordering one, which starts a build, and reading them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, case, delete, func, insert, literal, select, tuple_
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from models.repositories.delivery import DeliveryRepository
from models.repositories.event import EventRepository
from models.repositories.project import ProjectRepository
from models.repositories.queue.waiting import WaitingBuild, WaitRepository, holds
from models.rules.build_lifecycle import BuildStatus, ImageStatus
from models.rules.errors.database import DatabaseBusy
from models.rules.errors.domain import ImageInTheWay
from models.rules.errors.request import ImageExists, ImageInUse, ImageNotFound, QueueFull
from models.rules.identifiers import image_build_name, new_id
from models.rules.image_order import ImageOrder
from models.rules.run_contract import image_workflow_id
from models.tables.build import IS_QUEUED, Build, BuildProgress, BuildState
from models.tables.execution import BuildExecution
from models.tables.image import DockerImage
from models.tables.project import Product
from models.tables.waiting import BuildWait

_QUEUE_LOCK = 7_120_733_013  # one key: whoever adds to the queue counts it first
_ORDER_TRIES = 3


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
    def workflow_id(self) -> str:
        return image_workflow_id(self.build.image_name or "", self.build.image_tag or "", self.build.generation or 0)


@dataclass(frozen=True)
class PageKey:
    """The place of an image in the list, newest first."""

    created_at: datetime
    image_id: int


class ImageRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session
        self._events = EventRepository(session)
        self._delivery = DeliveryRepository(session)
        self._projects = ProjectRepository(session)

    async def order(self, order: ImageOrder, *, queue_limit: int, actor: str, correlation_id: str) -> tuple[int, UUID]:
        """Write the image, its new build and the key for delivery; return their ids.

        Raises ImageExists (naming the id) while the name:tag is pending, building, or success without force_rebuild;
        QueueFull; DatabaseBusy; RequestInvalid for an unknown or inactive project.
        """
        project_id = None if order.project is None else await self._projects.active_id(order.project)
        build_id = new_id()
        image_id = await self._new_row(order, build_id)
        if image_id is None:
            image_id = await self._reuse_row(order, build_id, actor)
        await self._check_queue(queue_limit)
        generation = await self._next_generation(order)
        await self._session.execute(
            insert(Build).values(
                _build_columns(order, build_id, image_id, generation)
                | {"project_id": project_id, "created_by": actor, "correlation_id": correlation_id}
            )
        )
        await self._session.execute(
            insert(BuildState).values(id=new_id(), build_id=build_id, state_code=0, attempt=1, status="in_progress")
        )
        await self._events.add_build_event(
            "build.created",
            build_id,
            generation=generation,
            actor=actor,
            payload={"image": f"{order.name_key}:{order.tag}", "repo": order.repo, "commit_sha": order.commit_sha},
        )
        await self._delivery.mark_dirty(build_id)
        return image_id, build_id

    async def view(self, image_id: int) -> ImageView:
        """Return one image; raise ImageNotFound."""
        row = (await self._session.execute(_views().where(col(DockerImage.id) == image_id))).one_or_none()
        if row is None:
            raise ImageNotFound(f"There is no image {image_id}.")
        return (await self._viewed([row]))[0]

    async def page(self, status: ImageStatus | None, after: PageKey | None, limit: int) -> list[ImageView]:
        """Return up to `limit` images, newest first, that come after the given place."""
        images = select(DockerImage).order_by(col(DockerImage.created_at).desc(), col(DockerImage.id).desc())
        if status is not None:
            images = images.where(col(DockerImage.build_status) == status)
        if after is not None:
            place = tuple_(col(DockerImage.created_at), col(DockerImage.id))
            images = images.where(place < tuple_(literal(after.created_at), literal(after.image_id)))
        page = images.limit(limit).cte("page").prefix_with("MATERIALIZED")
        listed = (
            _views().join(page, page.c.id == col(DockerImage.id)).order_by(page.c.created_at.desc(), page.c.id.desc())
        )
        return await self._viewed((await self._session.execute(listed)).all())

    async def delete(self, image_id: int, actor: str) -> None:
        """Remove the record, never the Docker image; a build that waits for resume is closed and stays.

        Raises ImageNotFound; ImageInUse while it is pending or building, or a product uses it.
        """
        locked = await self._lock(col(DockerImage.id) == image_id)
        if locked is None:
            raise ImageNotFound(f"There is no image {image_id}.")
        image, build = locked
        if image.build_status in {ImageStatus.PENDING, ImageStatus.BUILDING}:
            detail = f"Image {image_id} is {image.build_status}; cancel its build or wait until it has ended."
            raise ImageInUse(detail, in_the_way=_in_the_way(image))
        using = select(Product).where(col(Product.image_id) == image_id).order_by(col(Product.id)).limit(1)
        product = (await self._session.execute(using)).scalar_one_or_none()
        if product is not None:
            detail = f"Image {image_id} is used by product '{product.slug}'; give that another image first."
            raise ImageInUse(detail, in_the_way=_in_the_way(image, product))
        await self._close(build, "image deleted", actor)
        await self._session.execute(delete(DockerImage).where(col(DockerImage.id) == image_id))

    async def _viewed(self, rows: Sequence[Any]) -> list[ImageView]:
        waiting = [WaitingBuild(build, execution, told) for _, build, _, execution, _, told in rows]
        sentences = await WaitRepository(self._session).sentences(waiting)
        return [
            ImageView(image, build, progress, execution, last_lines, waits_for)
            for (image, build, progress, execution, last_lines, _), waits_for in zip(rows, sentences, strict=True)
        ]

    async def _new_row(self, order: ImageOrder, build_id: UUID) -> int | None:
        new = postgresql.insert(DockerImage).values(
            name=order.image_name, name_key=order.name_key, tag=order.tag, **_row_columns(order, build_id)
        )
        new = new.on_conflict_do_nothing(constraint="docker_images_name_tag")
        return (await self._session.execute(new.returning(col(DockerImage.id)))).scalar_one_or_none()

    async def _reuse_row(self, order: ImageOrder, build_id: UUID, actor: str) -> int:
        """Clear the existing row for a new build. The row's lock orders all who want the same name:tag."""
        for _try in range(_ORDER_TRIES):
            locked = await self._lock(col(DockerImage.name_key) == order.name_key, col(DockerImage.tag) == order.tag)
            if locked is not None:
                break
            # it was deleted between our two looks: then the row is ours to insert
            image_id = await self._new_row(order, build_id)
            if image_id is not None:
                return image_id
        else:
            raise DatabaseBusy(f"{order.name_key}:{order.tag} is being changed by others; try again.")
        image, old_build = locked
        is_free = image.build_status == ImageStatus.FAILED
        if not is_free and not (order.force_rebuild and image.build_status == ImageStatus.SUCCESS):
            is_done = image.build_status == ImageStatus.SUCCESS
            hint = "; send force_rebuild to build it again" if is_done else "; wait for its end"
            detail = f"{order.name_key}:{order.tag} is image {image.id}, which is {image.build_status}{hint}."
            raise ImageExists(detail, in_the_way=_in_the_way(image))
        await self._close(old_build, "superseded", actor)
        cleared = {"build_error": None, "built_at": None, "image_uri": None, "docker_image_id": None}
        cleared |= {"digest": None, "size_bytes": None, "revoked_at": None, "revoke_reason": None}
        for column, value in (cleared | _row_columns(order, build_id)).items():
            setattr(image, column, value)
        await self._session.flush()
        return image.id or 0

    async def _lock(self, *conditions: ColumnElement[bool]) -> tuple[DockerImage, Build] | None:
        """Lock an image with the build that it shows, None when there is none.

        The build first, as all who report do: in the other order two transactions could wait for each other. Between
        the look and the lock the image may have gone over to another build; then it is looked at again.
        """
        shown = select(col(DockerImage.build_id)).where(*conditions)
        while (build_id := await self._session.scalar(shown)) is not None:
            locked_build = select(Build).where(col(Build.id) == build_id).with_for_update(key_share=True)
            locked_build = locked_build.execution_options(populate_existing=True)  # it may have been read before
            build = (await self._session.execute(locked_build)).scalar_one()
            locked_image = select(DockerImage).where(*conditions, col(DockerImage.build_id) == build_id)
            locked_image = locked_image.with_for_update().execution_options(populate_existing=True)
            image = (await self._session.execute(locked_image)).scalar_one_or_none()
            if image is not None:
                return image, build
        return None

    async def _close(self, build: Build, reason: str, actor: str) -> None:
        """Close a failed build, so that nobody resumes it any more; its parked run ends when it is poked."""
        if build.status != BuildStatus.FAILED or build.closed_at is not None:
            return
        build.closed_at = await self._session.scalar(select(func.now()))
        build.closed_reason = reason
        await self._session.flush()
        await self._events.add_build_event(
            "build.closed", build.id, generation=build.generation, actor=actor, payload={"reason": reason}
        )
        await self._delivery.mark_dirty(build.id)

    async def _check_queue(self, limit: int) -> None:
        # under a lock, or many at once would all read a queue that has room
        await self._session.execute(select(func.pg_advisory_xact_lock(_QUEUE_LOCK)))
        waiting = select(literal(1)).select_from(Build).where(IS_QUEUED).limit(limit).subquery()
        if (await self._session.scalar(select(func.count()).select_from(waiting))) == limit:
            raise QueueFull(f"{limit} builds are waiting already; try again when some have started.")

    async def _next_generation(self, order: ImageOrder) -> int:
        newest = select(func.max(col(Build.generation))).where(
            col(Build.image_name) == order.name_key, col(Build.image_tag) == order.tag
        )
        return ((await self._session.scalar(newest)) or 0) + 1


def _in_the_way(image: DockerImage, product: Product | None = None) -> ImageInTheWay:
    return ImageInTheWay(
        image_id=image.id or 0,
        build_id=image.build_id,
        build_status=image.build_status,
        product_id=product.id if product is not None else None,
        product_slug=product.slug if product is not None else None,
    )


def _row_columns(order: ImageOrder, build_id: UUID) -> dict[str, Any]:
    return {
        "github_repo": order.repo,
        "github_ref": f"refs/tags/{order.tag}",
        "commit_sha": order.commit_sha.lower(),
        "build_status": ImageStatus.PENDING,
        "build_id": build_id,
    }


def _build_columns(order: ImageOrder, build_id: UUID, image_id: int, generation: int) -> dict[str, Any]:
    name = image_build_name(
        build_id,
        image=order.name_key,
        tag=order.tag,
        third_party_id=order.third_party_id,
        parser_id=order.parser_id,
    )
    return {
        "id": build_id,
        "name": name,
        "kind": "image",
        "third_party_id": order.third_party_id,
        "parser_id": order.parser_id,
        "priority": order.priority,
        "image_name": order.name_key,
        "image_tag": order.tag,
        "generation": generation,
        "repo": order.repo,
        "wanted_commit": order.commit_sha.lower(),
        "dockerfile_path": order.dockerfile_path,
        "context": order.context,
        "target": order.target,
        "build_args": order.build_args,
        "paused": False,
        "status": BuildStatus.PENDING,
        "current_state": 0,
        "attempt": 0,
        "image_id": image_id,
        "epoch": 0,
        "seq": 0,
    }


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
