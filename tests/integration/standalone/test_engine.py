"""A second Docker engine beside the machine's own, in folders, a socket and a cgroup of its own. Needs root."""

import asyncio
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import docker
import psutil
import pytest

from standalone.engine.base_image import ensure_base_image
from standalone.engine.daemon import ensure_engine, stop_engine
from standalone.engine.place import EnginePlace, answers
from standalone.processes import ProcessIdentity, until_gone
from tests.support.waiting import until

pytestmark = pytest.mark.own_engine
PATIENCE = timedelta(seconds=30)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[EnginePlace]:
    sockets = Path(tempfile.mkdtemp(prefix="engine-"))  # a socket's path may have 107 characters, tmp_path is long
    place = EnginePlace(
        socket=sockets / "docker.sock",
        data_root=tmp_path / "data",
        exec_root=sockets / "exec",
        pid_file=tmp_path / "docker.pid",
        log=tmp_path / "docker.log",
        lock=tmp_path / "lock",
        marker=tmp_path / "marker.json",
        cgroup=f"/slipway-test-{os.getpid()}",
        words=("--bridge=none", "--iptables=false"),
        before=("unshare", "--net"),  # a dockerd without a bridge removes docker0, and that one is the machine's
    )
    yield place
    stop_engine(place)
    subprocess.run(("umount", "--quiet", place.data_root), check=False)  # a killed dockerd leaves its mount
    groups = [group for tree in Path("/sys/fs/cgroup").glob(f"**{place.cgroup}") for group in [*tree.rglob("*"), tree]]
    for group in sorted((group for group in groups if group.is_dir()), key=lambda group: -len(group.parts)):
        group.rmdir()
    shutil.rmtree(sockets)


def ensure(place: EnginePlace) -> list[str]:
    said: list[str] = []
    ensure_engine(place, os.environ, said.append, wait=PATIENCE)
    return said


def kill(place: EnginePlace) -> ProcessIdentity:
    daemon = place.our_daemon()
    assert daemon
    os.kill(daemon.pid, signal.SIGKILL)
    return daemon


async def test_an_engine_is_started_once_however_many_ask_and_only_ours_is_stopped(place: EnginePlace) -> None:
    said = await asyncio.gather(*(asyncio.to_thread(ensure, place) for _ in range(4)))
    assert sum(line.startswith("started the Docker engine") for lines in said for line in lines) == 1
    assert place.our_daemon() == place.daemon()

    forgetful = EnginePlace(socket=place.socket, data_root=place.data_root, lock=place.lock, marker=place.log)
    assert await asyncio.to_thread(stop_engine, forgetful) == "not ours"
    assert answers(place.url)

    assert await asyncio.to_thread(stop_engine, place) == "stopped"
    assert not answers(place.url)
    assert await asyncio.to_thread(stop_engine, place) == "none"


async def test_a_killed_engine_is_started_again_over_what_it_left(place: EnginePlace) -> None:
    await asyncio.to_thread(ensure, place)
    await until_gone(kill(place), PATIENCE)
    place.pid_file.write_text(str(os.getpid()))  # its number is another process's by now
    place.containerd_pid_file.write_text(str(os.getpid()))
    assert await asyncio.to_thread(ensure, place)
    assert answers(place.url)


async def test_an_engine_that_lives_but_is_silent_is_waited_for(place: EnginePlace) -> None:
    await asyncio.to_thread(ensure, place)
    daemon = place.our_daemon()
    assert daemon
    os.kill(daemon.pid, signal.SIGSTOP)
    await until(lambda: psutil.Process(daemon.pid).status() == psutil.STATUS_STOPPED)  # till then it may still answer
    spoke, loop = asyncio.Event(), asyncio.get_running_loop()

    def say(_: str) -> None:
        loop.call_soon_threadsafe(spoke.set)

    waiting = asyncio.create_task(asyncio.to_thread(ensure_engine, place, os.environ, say, wait=PATIENCE))
    await spoke.wait()
    os.kill(daemon.pid, signal.SIGCONT)
    await waiting
    assert place.our_daemon() == daemon


async def test_the_base_image_is_made_where_no_registry_gives_it(place: EnginePlace) -> None:
    await asyncio.to_thread(ensure, place)
    said: list[str] = []
    for _ in range(2):
        await asyncio.to_thread(
            ensure_base_image, place.url, os.environ, said.append, repository="slipway-test-only", tag="none"
        )
    assert len(said) == 1
    with closing(docker.DockerClient(base_url=place.url)) as engine:
        assert engine.images.get("slipway-test-only:none").labels == {"slipway.base": "busybox-static"}
        words = ["sh", "-c", "ls /tmp && echo it runs | sed s/runs/works/"]
        output = engine.containers.run("slipway-test-only:none", words, network_mode="none", remove=True)
    assert output.decode() == "it works\n"
