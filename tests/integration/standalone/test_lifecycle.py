"""`python -m standalone up` and `down` over the real servers, with stand-ins for worker and API."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from standalone.free_ports import free_port, is_taken
from standalone.servers.postgres import database_url
from standalone.supervision.run_record import RunRecord

ROOT = Path(__file__).resolve().parents[3]
PORTS = ("API", "POSTGRES", "TEMPORAL", "TEMPORAL_UI", "SANDBOX")
WORKER = """
import asyncio, os, signal
from process.watchdog import Watchdog

async def main() -> None:
    asked = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asked.set)
    async with Watchdog(os.environ["NOTIFY_SOCKET"]):
        await asked.wait()

asyncio.run(main())
"""
API = """
import http.server, os

class Ready(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

http.server.HTTPServer(("127.0.0.1", int(os.environ["SLIPWAY_API_PORT"])), Ready).serve_forever()
"""


class Clone:
    """A clone of the project with worker and API of its own, on its own ports."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data_dir = folder / ".slipway"
        self.ports = {name: free_port() for name in PORTS}
        for name in ("activities", "models", "process", "sandbox", "settings.py", "standalone", "temporal-config"):
            (folder / name).symlink_to(ROOT / name)
        (folder / "worker.py").write_text(WORKER)
        (folder / "api.py").write_text(API)

    async def run(self, command: str) -> tuple[int, str]:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "standalone",
            command,
            cwd=self.folder,
            env=self._environment(),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
        assert process.returncode is not None
        return process.returncode, output.decode()

    def _environment(self) -> dict[str, str]:
        ports = {f"SLIPWAY_{name}_PORT": str(port) for name, port in self.ports.items()}
        path = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1", "SLIPWAY_API_EXTRA_PORT": "0"}
        return path | ports

    def taken(self) -> list[str]:
        return [name for name, port in self.ports.items() if is_taken(port)]


@pytest.fixture
async def clone(tmp_path: Path) -> AsyncIterator[Clone]:
    clone = Clone(tmp_path)
    yield clone
    await clone.run("down")


async def test_up_returns_when_all_is_ready_and_down_leaves_only_the_data(clone: Clone) -> None:
    clone.data_dir.mkdir(mode=0o755)  # as earlier releases made it
    (clone.data_dir / "objects").mkdir()
    code, output = await clone.run("up")
    assert code == 0, output
    assert clone.data_dir.stat().st_mode & 0o777 == 0o700
    assert f"http://127.0.0.1:{clone.ports['API']}/docs" in output
    assert str(clone.data_dir / "logs") in output
    assert clone.taken() == list(PORTS)
    database = await asyncpg.connect(database_url(clone.data_dir, clone.ports["POSTGRES"]))
    await database.execute("CREATE TABLE things AS SELECT 7 AS id")
    await database.close()

    code, output = await clone.run("status")
    assert code == 0
    assert f"http://127.0.0.1:{clone.ports['API']}/docs" in output
    code, output = await clone.run("up")
    assert code == 0
    assert "up already" in output
    (clone.folder / ".env").write_text("SLIPWAY_BUILDER_SLOTS=5\n")
    for command in ("up", "status"):
        code, output = await clone.run(command)
        assert code != 0
        assert "`make down up`" in output

    code, output = await clone.run("down")
    assert code == 0
    stopped = [line.split()[0] for line in output.splitlines() if "stopped" in line]
    assert stopped == ["api", "worker", "sandbox", "temporal", "postgres"]
    assert clone.taken() == []

    assert (await clone.run("up"))[0] == 0
    database = await asyncpg.connect(database_url(clone.data_dir, clone.ports["POSTGRES"]))
    assert await database.fetchval("SELECT id FROM things") == 7
    await database.close()


async def test_what_runs_is_stopped_whatever_the_settings_have_become(clone: Clone) -> None:
    settings = clone.folder / ".env"
    for spoilt in (b"SLIPWAY_BUILDER_SLOTS=many\n", b"\xff\xfe\x00SLIPWAY"):
        assert (await clone.run("up"))[0] == 0
        settings.write_bytes(spoilt)
        code, output = await clone.run("up")
        assert code != 0
        assert "SLIPWAY_BUILDER_SLOTS" in output or ".env is not text" in output
        code, output = await clone.run("down")
        assert (code, clone.taken()) == (0, []), output
        assert "Slipway is down" in output
        settings.unlink()


@pytest.mark.parametrize("command", ["status", "psql"])
async def test_while_all_is_down_one_line_says_so_and_what_to_run(clone: Clone, command: str) -> None:
    code, output = await clone.run(command)
    assert code != 0
    assert len(output.splitlines()) == 1
    assert "make up" in output


async def test_up_after_a_killed_supervisor_is_an_ordinary_start(clone: Clone) -> None:
    assert (await clone.run("up"))[0] == 0
    record = RunRecord.read(clone.data_dir)
    assert record
    os.kill(record.supervisor.pid, signal.SIGKILL)
    code, output = await clone.run("up")
    assert code == 0, output
    assert clone.taken() == list(PORTS)


@pytest.mark.parametrize("part", ["worker", "api"])
async def test_up_shows_why_a_program_does_not_start_and_leaves_nothing(clone: Clone, part: str) -> None:
    (clone.folder / f"{part}.py").write_text("import no_such_module\n")
    code, output = await clone.run("up")
    assert code == 1
    assert f"{part} ended with code 1" in output
    assert "No module named 'no_such_module'" in output
    assert clone.taken() == []
    assert RunRecord.read(clone.data_dir) is None


async def test_two_clones_run_beside_each_other(clone: Clone, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = Clone(tmp_path_factory.mktemp("other"))
    codes = await asyncio.gather(clone.run("up"), other.run("up"))
    try:
        assert [code for code, _ in codes] == [0, 0], codes
    finally:
        assert (await other.run("down"))[0] == 0
    assert clone.taken() == list(PORTS)
