"""Which images may bear a public name: those of builds that ended in success."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from models.repositories.event import EventRepository
from models.rules.build_lifecycle import OPEN, BuildStatus
from models.tables.build import Build

_MOST_SERVED = 20
_AT_ONCE = 500


@dataclass(frozen=True)
class BornName:
    """A name:tag that the image of a build bears at an engine."""

    reference: str
    image_id: str
    build_id: UUID


class ImageNames:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def served(self, reference: str) -> list[str]:
        """Return the ids of the images that may bear this name:tag, newest first."""
        name, _colon, tag = reference.rpartition(":")
        succeeded = select(col(Build.docker_image_id)).where(
            col(Build.image_name) == name,
            col(Build.image_tag) == tag,
            col(Build.status) == BuildStatus.SUCCEEDED,
            col(Build.docker_image_id).is_not(None),
        )
        newest = succeeded.order_by(col(Build.generation).desc()).limit(_MOST_SERVED)
        return [image_id for image_id in (await self._session.execute(newest)).scalars() if image_id is not None]

    async def wrong(self, names: Sequence[BornName]) -> list[BornName]:
        """Return which of these name an image whose build has ended without it.

        Only names that the image's own build was to give count: what people name else is theirs. A build that is under
        way may be about to commit.
        """
        pages = [names[start : start + _AT_ONCE] for start in range(0, len(names), _AT_ONCE)]
        return [name for page in pages for name in await self._wrong_of(page)]

    async def _wrong_of(self, names: Sequence[BornName]) -> list[BornName]:
        ended = select(Build).where(
            col(Build.id).in_({name.build_id for name in names}), col(Build.status).not_in(OPEN)
        )
        builds = {build.id: build for build in (await self._session.execute(ended)).scalars()}
        return [name for name in names if (build := builds.get(name.build_id)) and _is_wrong(name, build)]

    async def tell_repair(self, name: BornName, now_named: str | None) -> None:
        """Add the event that a name was taken from an image, and given to the one that serves, when there is one."""
        payload = {"name": name.reference, "took_from": name.image_id, "now_names": now_named}
        await EventRepository(self._session).add_build_event(
            "image.name_repaired", name.build_id, generation=None, actor="slipway", payload=payload
        )


def _is_wrong(name: BornName, ended: Build) -> bool:
    is_its_own = name.reference == f"{ended.image_name}:{ended.image_tag}"
    serves = ended.status == BuildStatus.SUCCEEDED and ended.docker_image_id == name.image_id
    return is_its_own and not serves
