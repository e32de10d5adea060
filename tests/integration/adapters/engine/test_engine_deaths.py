"""What becomes of a build when the worker, its client or the engine dies."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from models.rules.errors.engine import EngineUnreachable
from tests.support.engine.engine_images import Workshop
from tests.support.engine.engines_under_test import WAYS, EngineUnderTest, by_way, next_engine
from tests.support.processes import processes_with
from tests.support.waiting import until

BASE = "FROM busybox:1.36\n"


async def test_nothing_of_a_build_outlives_a_killed_worker(docker: EngineUnderTest, workshop: Workshop) -> None:
    folder = workshop.folder / workshop.marker
    (folder / "context").mkdir(parents=True)
    (folder / "context" / "Dockerfile").write_text(f"{BASE}RUN : {workshop.marker}; sleep 600; true\n")
    words = (docker.url, str(docker.buildx.path) if docker.buildx else "", str(folder))
    worker = await asyncio.create_subprocess_exec(sys.executable, "-m", "tests.support.engine.lone_builder", *words)
    await until(lambda: bool(processes_with(f": {workshop.marker}; sleep")))
    worker.kill()
    await worker.wait()
    await until(lambda: not processes_with(workshop.marker))


@pytest.mark.parametrize("docker", ["buildx"], indirect=True)
async def test_a_client_that_is_killed_is_a_lost_build_and_leaves_no_step(workshop: Workshop) -> None:
    build = await workshop.start(f"{BASE}RUN : {workshop.marker}; sleep 600; true\n")
    await until(lambda: bool(processes_with(f": {workshop.marker}; sleep")))
    (client,) = processes_with(f"\0test-{Path(build.log_path).parent.name}\0")
    os.kill(client, signal.SIGKILL)
    with pytest.raises(EngineUnreachable, match="client"):
        await build.result()
    await until(lambda: not processes_with(workshop.marker))


@pytest.mark.own_engine
@pytest.mark.parametrize("way", WAYS)
async def test_an_engine_that_is_killed_is_a_lost_engine(way: str, tmp_path: Path) -> None:
    async with next_engine() as (engine, under_test):
        adapter = (await by_way(under_test, way)).adapter()
        workshop = Workshop(adapter, tmp_path)
        build = await workshop.start(f"{BASE}RUN echo begun; sleep 600\n")
        await until(lambda: b"\nbegun\n" in build.log_path.read_bytes())
        assert engine.pid is not None
        os.kill(engine.pid, signal.SIGKILL)
        with pytest.raises(EngineUnreachable, match="went away in the middle"):
            await build.result()
        adapter.close()
