"""The Docker engines that everything must hold on: the machine's own, and the next release's with each image store."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from activities.adapters.docker.buildx.mounts import Mounts
from activities.adapters.docker.buildx.plugin import BuildxPlugin
from activities.adapters.docker.engine import DockerEngine
from standalone.engine.base_image import ensure_base_image
from standalone.engine.next_engine import CONTAINERD_STORE, NextEngine
from standalone.engine.plugin import ensure_buildx

MACHINE_ENGINE_URL = "unix:///var/run/docker.sock"
_DATA = Path(__file__).parents[3] / ".slipway"
PROGRAMS = _DATA / "docker-next"
_WORDS = {"next": (), "next-containerd": CONTAINERD_STORE}
ENGINES = ("machine", *_WORDS)
WAYS = ("plain", "buildx")


@dataclass(frozen=True)
class EngineUnderTest:
    """An engine that holds the base image. `clips_logs`: a step that writes very fast loses some of its log.

    `takes_any_platform`: it takes an image of one platform for any that is asked for, and any name for a tag.
    """

    url: str
    clips_logs: bool
    takes_any_platform: bool = False
    buildx: BuildxPlugin | None = None  # None: builds go over the plain API

    def adapter(
        self,
        secrets: Iterable[str] = (),
        mounts: Mounts | None = None,
        silence_limit: timedelta = timedelta(minutes=10),
    ) -> DockerEngine:
        return DockerEngine(self.url, secrets, buildx=self.buildx, mounts=mounts, silence_limit=silence_limit)


@asynccontextmanager
async def engine_under_test(name: str) -> AsyncIterator[EngineUnderTest]:
    """Yield the engine of that name; the machine's is `make engine`'s business, others last as long as the `with`."""
    if name == "machine":
        yield await _with_base_image(EngineUnderTest(MACHINE_ENGINE_URL, clips_logs=True))
    else:
        async with next_engine(_WORDS[name]) as (_engine, under_test):
            yield under_test


@asynccontextmanager
async def next_engine(words: tuple[str, ...] = ()) -> AsyncIterator[tuple[NextEngine, EngineUnderTest]]:
    """Start an engine that a test may kill."""
    async with NextEngine(PROGRAMS, os.environ, words) as engine:
        yield engine, await _with_base_image(EngineUnderTest(engine.url, False, words == CONTAINERD_STORE))


async def _with_base_image(engine: EngineUnderTest) -> EngineUnderTest:
    await asyncio.to_thread(ensure_base_image, engine.url, os.environ, print)
    return engine


async def by_way(engine: EngineUnderTest, way: str) -> EngineUnderTest:
    """Return the engine with a client for its builds, or without one."""
    return engine if way == "plain" else replace(engine, buildx=await plugin())


async def plugin() -> BuildxPlugin:
    return await asyncio.to_thread(ensure_buildx, _DATA, os.environ, print)
