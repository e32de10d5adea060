"""Ordering an image, which starts a build, and taking its record away."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, insert, literal, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from models.repositories.build.ending import BuildEnding
from models.repositories.event import EventRepository
from models.repositories.image_rows import ImageRows
from models.repositories.outbox import OutboxRepository
from models.repositories.project import ProjectRepository
from models.rules.build_lifecycle import BuildStatus, ImageStatus
from models.rules.errors.database import DatabaseBusy
from models.rules.errors.domain import InTheWay
from models.rules.errors.request import ImageExists, ImageInUse, ImageNotFound, QueueFull
from models.rules.identifiers import image_build_name, new_id
from models.rules.image_order import ImageOrder
from models.rules.run_contract import build_key
from models.tables.build import IS_QUEUED, Build, BuildState
from models.tables.image import DockerImage
from models.tables.project import Product

_QUEUE_LOCK = 7_120_733_013  # one key: whoever adds to the queue counts it first
_ORDER_TRIES = 3


class ImageOrders:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session
        self._rows = ImageRows(session)
        self._ending = BuildEnding(session)
        self._events = EventRepository(session)
        self._outbox = OutboxRepository(session)
        self._projects = ProjectRepository(session)

    async def order(self, order: ImageOrder, *, queue_limit: int, actor: str, correlation_id: str) -> tuple[int, UUID]:
        """Write the image, its new build and the key for delivery; return their ids.

        Raises ImageExists (naming the id) while the name:tag is pending, building, or success without force_rebuild;
        QueueFull; DatabaseBusy; RequestInvalid for an unknown or inactive project.
        """
        project_id = None if order.project is None else await self._projects.active_id(order.project)
        build_id = new_id()
        image_id = await self._rows.add(order, build_id)
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
        await self._outbox.mark_dirty(build_key(build_id))
        return image_id, build_id

    async def lock(self, image_id: int) -> None:
        """Hold an image against all who would change it, until the transaction's end. Raises ImageNotFound."""
        if await self._rows.lock(col(DockerImage.id) == image_id) is None:
            raise ImageNotFound(f"There is no image {image_id}.")

    async def delete(self, image_id: int, actor: str) -> None:
        """Remove the record, never the Docker image; a build that waits for resume is closed and stays.

        Raises ImageNotFound; ImageInUse while it is pending or building, or a product uses it.
        """
        locked = await self._rows.lock(col(DockerImage.id) == image_id)
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
        await self._rows.remove(image)

    async def _reuse_row(self, order: ImageOrder, build_id: UUID, actor: str) -> int:
        """Clear the existing row for a new build. The row's lock orders all who want the same name:tag."""
        for _try in range(_ORDER_TRIES):
            locked = await self._rows.lock(
                col(DockerImage.name_key) == order.name_key, col(DockerImage.tag) == order.tag
            )
            if locked is not None:
                break
            # it was deleted between our two looks: then the row is ours to insert
            image_id = await self._rows.add(order, build_id)
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
        return await self._rows.begin_anew(image, order, build_id)

    async def _close(self, build: Build, reason: str, actor: str) -> None:
        now: datetime = (await self._session.execute(select(func.now()))).scalar_one()
        await self._ending.close(build, now, reason, actor)

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


def _in_the_way(image: DockerImage, product: Product | None = None) -> InTheWay:
    return InTheWay(
        image_id=image.id or 0,
        build_id=image.build_id,
        build_status=image.build_status,
        product_id=product.id if product is not None else None,
        product_slug=product.slug if product is not None else None,
    )


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
        "secrets": list(order.secrets),
        "paused": False,
        "status": BuildStatus.PENDING,
        "current_state": 0,
        "attempt": 0,
        "image_id": image_id,
        "epoch": 0,
        "seq": 0,
    }
