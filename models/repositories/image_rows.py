"""The one writer of `docker_images`: a row mirrors the build that it shows."""

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, delete, select, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from models.rules.build_lifecycle import IMAGE_STATUS, BuildStatus, ImageStatus
from models.rules.image_order import ImageOrder
from models.tables.build import Build
from models.tables.image import DockerImage


class ImageRows:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def show(self, build: Build, columns: dict[str, Any]) -> None:
        """Bring the image's row in line with its build, when this is still the build that it shows."""
        shown = update(DockerImage).where(col(DockerImage.build_id) == build.id, col(DockerImage.id) == build.image_id)
        await self._session.execute(
            shown.values(build_status=IMAGE_STATUS[BuildStatus(build.status)], **columns).execution_options(
                synchronize_session=False
            )
        )

    async def add(self, order: ImageOrder, build_id: UUID) -> int | None:
        """Write the row of a name:tag that there is none of yet; return its id, None when there is one."""
        new = postgresql.insert(DockerImage).values(
            name=order.image_name, name_key=order.name_key, tag=order.tag, **_row_columns(order, build_id)
        )
        new = new.on_conflict_do_nothing(constraint="docker_images_name_tag")
        return (await self._session.execute(new.returning(col(DockerImage.id)))).scalar_one_or_none()

    async def begin_anew(self, image: DockerImage, order: ImageOrder, build_id: UUID) -> int:
        """Clear a locked row for a new build of the same name:tag; return its id."""
        cleared = {"build_error": None, "built_at": None, "image_uri": None, "docker_image_id": None}
        cleared |= {"digest": None, "size_bytes": None, "revoked_at": None, "revoke_reason": None}
        for column, value in (cleared | _row_columns(order, build_id)).items():
            setattr(image, column, value)
        await self._session.flush()
        return image.id or 0

    async def lock(self, *conditions: ColumnElement[bool]) -> tuple[DockerImage, Build] | None:
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

    async def remove(self, image: DockerImage) -> None:
        """Remove a locked row; the Docker image, and the builds, stay."""
        await self._session.execute(delete(DockerImage).where(col(DockerImage.id) == image.id))


def _row_columns(order: ImageOrder, build_id: UUID) -> dict[str, Any]:
    return {
        "github_repo": order.repo,
        "github_ref": f"refs/tags/{order.tag}",
        "commit_sha": order.commit_sha.lower(),
        "build_status": ImageStatus.PENDING,
        "build_id": build_id,
    }
