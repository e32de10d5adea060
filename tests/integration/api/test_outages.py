"""The API while Postgres is away, and the process from its start to its end."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text

from models.postgres.database import Database
from standalone.free_ports import LOOPBACK, free_port
from standalone.servers.postgres import EmbeddedPostgres
from tests.support.builds.api_builds import ReportingBuilder
from tests.support.eventually import eventually
from tests.support.log_reader import read_stream
from tests.support.servers.api_server import RunningApi, gauge, order_of, running_api

IMAGES = "/api/v1/images"
UNREACHABLE = "database_unreachable"
KEY = {"Idempotency-Key": "order-1"}


def _check_away(answer: httpx.Response) -> None:
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == UNREACHABLE
    assert int(answer.headers["retry-after"]) >= 1


async def test_while_postgres_is_away_requests_are_503_and_then_work_again(tmp_path: Path) -> None:
    async with (
        EmbeddedPostgres(tmp_path / "pg", free_port(), durable=False) as postgres,
        running_api(postgres.url, tmp_path) as server,
    ):
        builder = ReportingBuilder(server.api.given.requests, server.api.given.hints)
        await builder.register()
        image = await server.order()
        checkpoint = await builder.claim(image["build_id"])
        attempt = await builder.attempt(checkpoint.build_id)
        await builder.write(attempt, b"before\n")
        reading = asyncio.create_task(read_stream(server.http, image["id"]))
        await eventually(lambda: gauge(server, "api_log_readers"))
        await postgres.stop()

        for _request in range(3):  # also when the pool has noticed
            _check_away(await server.http.post(IMAGES, json=order_of("other")))
            _check_away(
                await server.http.post(IMAGES, content=b"{", headers=KEY | {"Content-Type": "application/json"})
            )
            _check_away(await server.http.get(f"{IMAGES}/{image['id']}"))
            _check_away(await server.http.get(f"{IMAGES}/{image['id']}/log/stream"))
        ready = await eventually(lambda: server.http.get("/ready"), lambda answer: answer.status_code == 503)
        assert ready.json()["database"] == "failing"
        assert (await server.http.get("/health")).is_success

        await postgres.start()
        assert (await server.order("other"))["build_status"] == "pending"
        await builder.write(attempt, b"after\n")
        await builder.end(attempt, "succeeded")
        await builder.succeed(checkpoint)
        log = await reading
        assert bytes(log.data) == b"before\nafter\n"
        assert log.connections == 1, "an open stream outlives the outage"


@pytest.mark.parametrize("blow", [signal.SIGTERM, signal.SIGSTOP], ids=["smart shutdown", "stopped"])
async def test_a_postgres_that_takes_no_new_connection_is_not_ready_though_pooled_ones_work(
    blow: signal.Signals, tmp_path: Path
) -> None:
    async with (
        EmbeddedPostgres(tmp_path / "pg", free_port(), durable=False) as postgres,
        running_api(postgres.url, tmp_path) as server,
    ):
        answer = await server.http.get("/ready")
        assert answer.json()["database"] == "ok"
        assert postgres.pid
        os.kill(postgres.pid, blow)  # SIGTERM waits for all clients to leave, and lets no new one in
        answer = await eventually(lambda: server.http.get("/ready"), lambda answer: answer.json()["database"] != "ok")
        assert answer.status_code == 503
        assert (await server.http.get(IMAGES)).is_success, "by a connection that was open before"
        os.kill(postgres.pid, signal.SIGCONT)


@pytest.mark.parametrize(
    ("sqlstate", "code"),
    [("53100", "database_full"), ("25006", "database_read_only"), ("53200", "database_busy"), ("57P01", UNREACHABLE)],
)
async def test_a_database_that_cannot_write_is_503_and_keeps_no_key(
    server: RunningApi, database: Database, sqlstate: str, code: str
) -> None:
    """As Postgres says it when its disk is full, after a failover, without memory, and while it is being stopped."""
    image = await server.order("before")
    raising = f"BEGIN RAISE EXCEPTION 'no room' USING ERRCODE = '{sqlstate}'; END"
    refuse_writes = (
        f"CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ {raising} $$",
        "CREATE TRIGGER refused BEFORE INSERT ON builds EXECUTE FUNCTION refuse()",
    )
    async with database.transaction() as session:
        for statement in refuse_writes:
            await session.execute(text(statement))
    for _time in range(2):
        refused = await server.http.post(IMAGES, json=order_of("other"), headers=KEY)
        assert (refused.status_code, refused.json()["code"]) == (503, code)
        assert int(refused.headers["retry-after"]) >= 1
        assert "no room" not in refused.text
    assert (await server.http.get(f"{IMAGES}/{image['id']}")).status_code == 200
    async with database.transaction() as session:
        await session.execute(text("DROP FUNCTION refuse CASCADE"))
    taken = await server.http.post(IMAGES, json=order_of("other"), headers=KEY)
    assert (taken.status_code, "idempotency-replayed" in taken.headers) == (201, False)


async def test_who_is_still_waiting_when_the_server_must_end_is_told_so(server: RunningApi, database: Database) -> None:
    async with database.transaction() as session:
        await session.execute(text("LOCK TABLE builds IN ACCESS EXCLUSIVE MODE"))
        waiting = asyncio.create_task(server.http.post(IMAGES, json=order_of()))
        await eventually(lambda: _running(server), lambda count: count > 0)
        await server.stop()
        answer = await waiting
    assert (answer.status_code, answer.json()["code"]) == (503, "server_stopping")
    assert answer.headers["content-type"] == "application/problem+json"
    assert int(answer.headers["retry-after"]) >= 1


async def _running(server: RunningApi) -> int:
    return len(server.server.server_state.tasks)


@asynccontextmanager
async def _process(**environment: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run `python -m api` as the supervisor does."""
    told = {"PATH": os.environ["PATH"], "SLIPWAY_API_EXTRA_PORT": "0", "TEMPORAL_ADDRESS": "127.0.0.1:1", **environment}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "api",
        env=told,
        cwd=Path(__file__).parents[3],
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def test_the_process_starts_before_postgres_and_ends_orderly_with_open_streams(tmp_path: Path) -> None:
    postgres = EmbeddedPostgres(tmp_path / "pg", free_port(), durable=False)
    ports = [free_port(), free_port()]
    environment = {
        "DATABASE_URL": postgres.url,
        "SLIPWAY_API_PORT": str(ports[0]),
        "SLIPWAY_API_EXTRA_PORT": str(ports[1]),
        "SLIPWAY_DATA_DIR": str(tmp_path),
    }
    async with _process(**environment) as process, httpx.AsyncClient(timeout=30, trust_env=False) as http:

        async def posted(port: int = ports[0]) -> httpx.Response | None:
            try:
                return await http.post(f"http://{LOOPBACK}:{port}{IMAGES}", json=order_of())
            except httpx.TransportError:
                return None

        away = await eventually(posted)
        assert away is not None
        _check_away(away)
        async with postgres:
            created = await eventually(posted, lambda answer: answer is not None and answer.status_code == 201)
            assert created is not None
            again = await posted(ports[1])
            assert again is not None
            assert again.status_code == 409, "both ports are one application"
            stream = f"http://{LOOPBACK}:{ports[0]}{created.headers['location']}/log/stream"
            async with http.stream("GET", stream) as answer:
                process.send_signal(signal.SIGTERM)
                assert (await answer.aread()).strip() == b"retry: 1000"
            assert await process.wait() == 0


@pytest.mark.parametrize("missing", ["DATABASE_URL", "port"])
async def test_what_is_missing_at_the_start_is_one_clear_line(missing: str, tmp_path: Path) -> None:
    with socket.create_server((LOOPBACK, 0)) as taken:
        port = taken.getsockname()[1] if missing == "port" else free_port()
        url = "" if missing == "DATABASE_URL" else "postgresql://u:p@127.0.0.1:1/x"
        environment = {"DATABASE_URL": url, "SLIPWAY_API_PORT": str(port), "SLIPWAY_DATA_DIR": str(tmp_path)}
        async with _process(**environment) as process:
            output, _ = await process.communicate()
    assert process.returncode == 1
    lines = output.decode().splitlines()
    assert len(lines) == 1
    assert ("SLIPWAY_API_PORT" if missing == "port" else "DATABASE_URL") in lines[0]
