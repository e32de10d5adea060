"""The Temporal dev server that standalone and the tests run."""

import os
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from standalone.errors import CannotStart
from standalone.free_ports import free_port
from standalone.loopback_http import loopback_client
from standalone.programs import Program, RunningProgram
from standalone.servers.temporal import TemporalDevServer, binary, search_attributes


async def known_attributes(server: TemporalDevServer) -> set[str]:
    async with loopback_client() as http:
        answer = await http.get(f"{server.ui_url}/api/v1/namespaces/default/search-attributes")
    return set(answer.raise_for_status().json()["customAttributes"])


async def test_a_ready_server_knows_our_search_attributes_also_after_a_kill(tmp_path: Path) -> None:
    async with TemporalDevServer(tmp_path / "temporal.db", free_port(), free_port()) as server:
        assert await known_attributes(server) == set(search_attributes())
        assert server.pid
        os.kill(server.pid, signal.SIGKILL)
        await server.exited()
        await server.start()
        assert await known_attributes(server) == set(search_attributes())


async def test_a_file_of_an_older_release_gets_the_newer_search_attributes(tmp_path: Path) -> None:
    file, port, ui_port = tmp_path / "temporal.db", free_port(), free_port()
    where = ("--ip", "127.0.0.1", "--port", str(port), "--ui-port", str(ui_port), "--db-filename", str(file))
    older = Program(
        name="older",
        command=(str(binary()), "server", "start-dev", *where, "--search-attribute", "BuildId=Keyword"),
        is_ready=lambda: _answers(f"http://127.0.0.1:{ui_port}/api/v1/namespaces/default"),
    )
    running = await RunningProgram.start(older, tmp_path / "older.log")
    await running.until_ready()
    await running.stop()
    async with TemporalDevServer(file, port, ui_port) as server:
        assert await known_attributes(server) == set(search_attributes())


@pytest.mark.parametrize("made", ["", "CREATE TABLE namespaces (id int)", "CREATE TABLE namespace_metadata (id int)"])
async def test_a_first_start_that_was_cut_off_is_begun_again(tmp_path: Path, made: str) -> None:
    file = tmp_path / "temporal.db"
    with closing(sqlite3.connect(file)) as half:
        half.execute("PRAGMA journal_mode=WAL")
        half.executescript(made)
    async with TemporalDevServer(file, free_port(), free_port()) as server:
        assert await known_attributes(server) == set(search_attributes())


async def test_what_is_no_file_of_temporals_is_left_for_it_to_refuse(tmp_path: Path) -> None:
    file = tmp_path / "temporal.db"
    file.write_bytes(b"somebody's notes, which are no database at all\n" * 100)
    before = file.read_bytes()
    with pytest.raises(CannotStart, match=r"ended with code|is not ready"):
        await TemporalDevServer(file, free_port(), free_port()).start()
    assert file.read_bytes() == before


async def _answers(url: str) -> bool:
    try:
        async with loopback_client() as http:
            return (await http.get(url)).is_success
    except httpx.TransportError:
        return False
