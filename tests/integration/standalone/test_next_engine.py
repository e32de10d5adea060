"""The next release's engine beside the machine's own: it disturbs nothing, and leaves nothing."""

import asyncio
import shutil
import sys
from pathlib import Path

import pytest

from standalone.engine.cgroup import remove_group
from standalone.engine.next_engine import NextEngine
from standalone.engine.place import answers
from standalone.errors import CannotStart
from tests.support.engine.engine_images import open_workshop
from tests.support.engine.engines_under_test import MACHINE_ENGINE_URL, PROGRAMS, next_engine
from tests.support.waiting import until

pytestmark = pytest.mark.own_engine
STARTER = """
import asyncio, os, pathlib, sys
from standalone.engine.next_engine import NextEngine

async def main() -> None:
    async with NextEngine(pathlib.Path(sys.argv[1]), os.environ) as engine:
        print(engine.url, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


def folder_of(url: str) -> Path:
    return Path(url.removeprefix("unix://")).parent


def groups_of(url: str) -> list[Path]:
    tree, name = Path("/sys/fs/cgroup"), folder_of(url).name
    return [*tree.glob(name), *tree.glob(f"*/{name}")]


def has_bridge() -> bool:
    return Path("/sys/class/net/docker0").exists()


async def test_an_engine_beside_the_machines_leaves_nothing_behind() -> None:
    async with next_engine() as (engine, under_test):
        async with open_workshop(folder_of(engine.url), under_test.adapter()) as workshop:
            assert (await workshop.build(f"FROM busybox:1.36\nRUN echo {workshop.marker}\n")).error is None
        assert groups_of(engine.url)
        assert has_bridge(), "in one network, each of two engines takes the other's away"
    assert not answers(engine.url)
    assert not folder_of(engine.url).exists()
    assert not groups_of(engine.url)
    assert answers(MACHINE_ENGINE_URL)


async def test_an_engine_ends_with_a_starter_that_is_killed() -> None:
    starter = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", STARTER, str(PROGRAMS)), stdout=asyncio.subprocess.PIPE
    )
    assert starter.stdout is not None
    url = (await starter.stdout.readline()).decode().strip()
    assert answers(url)
    starter.kill()
    await starter.wait()
    await until(lambda: not answers(url, patience=0.2))
    remove_group(f"/{folder_of(url).name}")
    shutil.rmtree(folder_of(url), ignore_errors=True)  # what it is told to end by still clears up there


async def test_an_engine_whose_programs_cannot_be_had_says_so_and_leaves_nothing(tmp_path: Path) -> None:
    engine = NextEngine(tmp_path / "programs", {"PATH": str(tmp_path)})
    with pytest.raises(CannotStart, match="cannot be fetched here"):
        await engine.__aenter__()
    assert not folder_of(engine.url).exists()
