"""The embedded Postgres, from nothing, over deaths and leftovers."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest

from standalone.errors import CannotStart
from standalone.free_ports import free_port, is_taken
from standalone.processes import until_gone, working_in
from standalone.servers.postgres import EmbeddedPostgres, database_url

PATIENCE = timedelta(seconds=30)
STARTER = """
import asyncio, sys
from pathlib import Path
from standalone.servers.postgres import EmbeddedPostgres

async def main():
    async with EmbeddedPostgres(Path(sys.argv[1]), int(sys.argv[2]), durable=False):
        print("ready", flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.fixture
async def postgres(tmp_path: Path) -> AsyncIterator[EmbeddedPostgres]:
    async with EmbeddedPostgres(tmp_path, free_port(), durable=False) as server:
        yield server


async def ask(url: str, question: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(question)
    finally:
        await connection.close()


async def test_our_role_owns_our_database_and_is_no_superuser(postgres: EmbeddedPostgres) -> None:
    assert await ask(postgres.url, "SELECT current_user || '/' || current_database()") == "buildapi/builds"
    assert await ask(postgres.url, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") is False
    await ask(postgres.url, "CREATE TABLE things (id int)")


async def test_only_the_password_opens_it_and_only_we_can_read_that(postgres: EmbeddedPostgres) -> None:
    assert (postgres.data_dir / "postgres.password").stat().st_mode & 0o777 == 0o600
    assert database_url(postgres.data_dir, postgres.port) == postgres.url
    with pytest.raises(asyncpg.InvalidPasswordError):
        await ask(f"postgresql://buildapi:wrong@127.0.0.1:{postgres.port}/builds", "SELECT 1")


async def test_rows_outlive_a_kill_and_a_restart(postgres: EmbeddedPostgres) -> None:
    await ask(postgres.url, "CREATE TABLE things AS SELECT 7 AS id")
    assert postgres.pid
    os.kill(postgres.pid, signal.SIGKILL)
    await postgres.exited()
    await postgres.start()
    assert await ask(postgres.url, "SELECT id FROM things") == 7


async def test_a_database_of_a_test_is_empty_each_time(postgres: EmbeddedPostgres) -> None:
    for _ in range(2):
        url = await postgres.create_database("of_a_test")
        await ask(url, "CREATE TABLE things (id int)")


async def test_a_server_ends_with_its_killed_starter(tmp_path: Path) -> None:
    port = free_port()
    words = (sys.executable, "-c", STARTER, str(tmp_path), str(port))
    starter = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE)
    assert starter.stdout
    assert await starter.stdout.readline() == b"ready\n"
    servers = working_in(tmp_path / "postgres", "postgres")
    assert servers
    starter.kill()
    await starter.communicate()
    for server in servers:
        assert await until_gone(server, PATIENCE)
    assert not is_taken(port)


async def test_a_pid_file_that_names_another_process_is_no_obstacle(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path, free_port(), durable=False)
    async with server:
        assert server.pid
        os.kill(server.pid, signal.SIGKILL)
        await server.exited()
        pid_file = tmp_path / "postgres" / "postmaster.pid"
        lines = pid_file.read_text().split("\n")
        pid_file.write_text("\n".join([str(os.getppid()), *lines[1:]]))
        await server.start()
        assert await ask(server.url, "SELECT 1") == 1


async def test_a_first_start_that_was_cut_off_is_begun_again(tmp_path: Path) -> None:
    half = tmp_path / "postgres.new"
    half.mkdir()
    (half / "PG_VERSION").write_text("18\n")
    async with EmbeddedPostgres(tmp_path, free_port(), durable=False) as server:
        assert await ask(server.url, "SELECT 1") == 1


async def test_a_server_that_cannot_start_shows_the_end_of_its_log(tmp_path: Path) -> None:
    async with EmbeddedPostgres(tmp_path / "one", free_port(), durable=False) as one:
        two = EmbeddedPostgres(tmp_path / "two", one.port, durable=False)
        with pytest.raises(CannotStart, match=r"Address already in use|is not the password"):
            await two.start()
