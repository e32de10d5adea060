"""The names under which images serve at an engine. Each names the image of a build in success, or none of ours."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID
from weakref import WeakValueDictionary

from activities.ports.engine import ContainerEngine, EngineImage, NamedImage
from activities.sightings import Sightings
from models.postgres.database import Database
from models.repositories.image.names import BornName, ImageNames
from models.rules.errors.engine import ForeignImage
from models.rules.image_reference import RESERVED_PREFIX
from models.rules.run_contract import Label

log = logging.getLogger(__name__)


class PublicNames:
    """The public names at one engine. One process speaks to it, so that locks in memory are enough."""

    def __init__(
        self, database: Database, engine: ContainerEngine, instance: str, sightings: Sightings[BornName] | None = None
    ) -> None:
        self._database = database
        self._engine = engine
        self._instance = instance
        self._sightings = sightings or Sightings()
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def held(self, reference: str) -> AsyncIterator[None]:
        """Let nobody else change this name until the block ends."""
        lock = self._locks.setdefault(reference, asyncio.Lock())
        async with lock:
            yield

    async def give(self, image: EngineImage, reference: str) -> None:
        """Name an image of ours. A repeat is harmless. Raises ForeignImage; ImageGone."""
        await refuse_foreign(self._engine, self._instance, reference)
        if reference not in image.tags:
            await self._engine.tag(image.id, reference)

    async def put_back(self, image_id: str, reference: str) -> str | None:
        """Take a held name from an image that did not come to serve, unless it did; return the image that serves.

        The name goes to the newest image of a success that is still here, and where there is none it goes.
        """
        present = await self._engine.image(reference)
        if present is None or present.id != image_id:
            return None if present is None else present.id
        async with self._database.transaction() as session:
            served = await ImageNames(session).served(reference)
        for serving in served:
            if await self._engine.image(serving) is not None:
                await self._engine.tag(serving, reference)
                return serving
        await self._engine.untag(reference)
        return None

    async def repair(self) -> None:
        """Compare the engine's public names with the builds' rows, and mend what was seen wrong twice."""
        names = [born for each in await self._engine.named(Label.INSTANCE, self._instance) if (born := _born(each))]
        async with self._database.transaction() as session:
            wrong = await ImageNames(session).wrong(names)
        for name in self._sightings.twice(wrong):
            async with self.held(name.reference):
                await self._mend(name)
            self._sightings.forget(name)

    async def _mend(self, name: BornName) -> None:
        async with self._database.transaction() as session:
            if not await ImageNames(session).wrong([name]):
                return
        serving = await self.put_back(name.image_id, name.reference)
        log.warning("public_name_repaired", extra={"image": name.reference, "build": str(name.build_id)})
        async with self._database.transaction() as session:
            await ImageNames(session).tell_repair(name, serving)


async def refuse_foreign(engine: ContainerEngine, instance: str, reference: str) -> None:
    """Raise ForeignImage when the engine holds an image under this name:tag that is not ours. A pure read."""
    present = await engine.image(reference)
    if present is not None and present.labels.get(Label.INSTANCE) != instance:
        raise ForeignImage(
            f"The engine already holds an image {reference} that this Slipway did not build; it is never overwritten."
            " Choose another image_name or tag, or remove that image from the builder host."
        )


def _born(named: NamedImage) -> BornName | None:
    """Return a public name with its image's build; None for an attempt's own name."""
    if named.reference.startswith(RESERVED_PREFIX):
        return None
    try:
        return BornName(named.reference, named.image_id, UUID(named.labels.get(Label.BUILD, "")))
    except ValueError:
        return None
