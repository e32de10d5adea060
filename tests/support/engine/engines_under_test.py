"""The Docker engines that everything must hold on: the machine's own, and the next release's with each image store."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from standalone.engine.base_image import ensure_base_image
from standalone.engine.next_engine import CONTAINERD_STORE, NextEngine

MACHINE_ENGINE_URL = "unix:///var/run/docker.sock"
PROGRAMS = Path(__file__).parents[3] / ".slipway" / "docker-next"
_WORDS = {"next": (), "next-containerd": CONTAINERD_STORE}
ENGINES = ("machine", *_WORDS)


@dataclass(frozen=True)
class EngineUnderTest:
    """An engine that holds the base image. `clips_logs`: a step that writes very fast loses some of its log.

    `takes_any_platform`: it takes an image of one platform for any that is asked for, and any name for a tag.
    """

    url: str
    clips_logs: bool
    takes_any_platform: bool = False


@asynccontextmanager
async def engine_under_test(name: str) -> AsyncIterator[EngineUnderTest]:
    """Yield the engine of that name; the machine's is `make engine`'s business, others last as long as the `with`."""
    if name == "machine":
        yield await _with_base_image(EngineUnderTest(MACHINE_ENGINE_URL, clips_logs=True))
    else:
        async with NextEngine(PROGRAMS, os.environ, _WORDS[name]) as engine:
            yield await _with_base_image(EngineUnderTest(engine.url, False, "containerd" in name))


async def _with_base_image(engine: EngineUnderTest) -> EngineUnderTest:
    await asyncio.to_thread(ensure_base_image, engine.url, os.environ, print)
    return engine
