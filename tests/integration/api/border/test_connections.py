"""The server itself: what is no HTTP is told so in our form, and nobody keeps a connection by keeping silent."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import pytest_asyncio

from api.server.connection import Connection, Patience
from standalone.servers.postgres import EmbeddedPostgres
from tests.support.builds.api_builds import ReportingBuilder
from tests.support.eventually import eventually
from tests.support.servers.api_server import RunningApi, running_api
from tests.support.servers.postgres import fresh_database
from tests.support.servers.raw_http import RawAnswer, raw_connection, raw_exchange, read_answer, until_closed

IMAGES = "/api/v1/images"
HOST = "Host: localhost\r\n"
CHUNKED = f"POST {IMAGES} HTTP/1.1\r\n{HOST}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
SOON = Patience(*(timedelta(seconds=1) for _each in range(4)))
OK = 200
PAGE = b"0123456789abcde\n" * 16 * 1024


def _check(answer: RawAnswer, status: int, code: str) -> str:
    problem = answer.json()
    assert (answer.status, problem["status"], problem["code"]) == (status, status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["content-length"] == str(len(answer.body))
    assert problem["correlation_id"] == answer.headers["x-correlation-id"]
    assert parsedate_to_datetime(answer.headers["date"]).tzinfo is not None
    assert answer.headers["connection"].lower() == "close"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "server" not in answer.headers
    sentence: str = problem["detail"]
    assert sentence.endswith(".")
    return sentence


@pytest_asyncio.fixture(scope="module")
async def hasty(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningApi]:
    """A server that waits for a second only."""
    async with (
        fresh_database(postgres) as url,
        running_api(url, tmp_path_factory.mktemp("hasty"), patience=SOON) as running,
    ):
        yield running


@pytest.mark.parametrize(
    ("sent", "status", "why"),
    [
        ("GET /health HTTP/1.1\r\n\r\n", 400, "missing mandatory Host"),
        ("GET /health HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, "found multiple Host"),
        ("hello\r\n\r\n", 400, "illegal request line"),
        ("GET  /health HTTP/1.1\r\nHost: a\r\n\r\n", 400, "illegal request line"),
        ("GET /health HTTP/11.1\r\nHost: a\r\n\r\n", 400, "illegal request line"),
        ("GET /ä HTTP/1.1\r\nHost: a\r\n\r\n", 400, "illegal request line"),
        ("\r\n\r\n", 400, "no request line received"),
        ("\x16\x03\x01\x02\x00", 400, "illegal request line"),
        (f"GET /health HTTP/1.1\r\n{HOST}a secret: hunter2\r\n\r\n", 400, "illegal header line"),
        (f"GET /health HTTP/1.1\r\n{HOST}X: a\x00b\r\n\r\n", 400, "illegal header line"),
        (f"POST {IMAGES} HTTP/1.1\r\n{HOST}Content-Length: 3\r\nContent-Length: 4\r\n\r\n", 400, "conflicting"),
        (f"POST {IMAGES} HTTP/1.1\r\n{HOST}Content-Length: 3, 4\r\n\r\n", 400, "conflicting"),
        (f"POST {IMAGES} HTTP/1.1\r\n{HOST}Content-Length: -1\r\n\r\n", 400, "bad Content-Length"),
        (f"POST {IMAGES} HTTP/1.1\r\n{HOST}Content-Length: {'9' * 5000}\r\n\r\n", 400, "bad Content-Length"),
        (f"POST {IMAGES} HTTP/1.1\r\n{HOST}Transfer-Encoding: gzip\r\n\r\n", 501, "only Transfer-Encoding"),
        (f"{CHUNKED}zz\r\n", 400, "illegal chunk header"),
        (f"{CHUNKED}2\r\n{{}}xx", 400, "malformed chunk footer"),
    ],
)
async def test_what_is_no_request_is_told_so_in_our_form(
    bystander: RunningApi, sent: str, status: int, why: str
) -> None:
    answer = await raw_exchange(bystander.url, sent)
    sentence = _check(answer, status, "request_malformed")
    assert why in sentence
    assert "hunter2" not in answer.body.decode()


@pytest.mark.parametrize("size", [33, 60, 200, 5000])
async def test_a_head_that_is_too_large_is_431_however_it_comes(bystander: RunningApi, size: int) -> None:
    for large in (f"GET /health HTTP/1.1\r\n{HOST}X: ", "GET /health?x="):
        async with raw_connection(bystander.url) as (reader, writer):
            writer.write(large.encode() + b"x" * size * 1024)
            if "\n" not in large:
                writer.write(f" HTTP/1.1\r\n{HOST}".encode())
            writer.write(b"\r\n\r\n")
            _check(await read_answer(reader), 431, "head_too_large")


async def test_a_head_of_30_kibibytes_is_taken_in_whatever_pieces(bystander: RunningApi) -> None:
    head = f"GET /health HTTP/1.1\r\n{HOST}X: {'x' * 30 * 1024}\r\n\r\n".encode()
    async with raw_connection(bystander.url) as (reader, writer):
        for start in range(0, len(head), 1000):
            writer.write(head[start : start + 1000])
            await writer.drain()
        assert (await read_answer(reader)).status == OK


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        (
            f"POST {IMAGES} HTTP/1.1\r\n{HOST}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
            "request_malformed",
        ),
        (f"GET /health HTTP/2.0\r\n{HOST}\r\n", 505, "http_version_not_supported"),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "http_version_not_supported"),
    ],
)
async def test_what_two_programs_could_read_differently_is_refused(
    bystander: RunningApi, sent: str, status: int, code: str
) -> None:
    _check(await raw_exchange(bystander.url, sent), status, code)


async def test_a_length_that_is_told_twice_alike_is_told(bystander: RunningApi) -> None:
    lengths = "Content-Length: 2\r\n" * 2
    request = f"POST {IMAGES} HTTP/1.1\r\n{HOST}Content-Type: application/json\r\n{lengths}\r\n{{}}"
    assert (await raw_exchange(bystander.url, request)).status == 422


async def test_a_whole_address_counts_before_the_host_header(bystander: RunningApi) -> None:
    for target, host, status in (
        ("http://localhost/health/liveness", "any", 200),
        (f"http://localhost:8080{IMAGES}?limit=1", "evil.example", 200),
        (f"http://evil.example{IMAGES}", "localhost", 421),
        ("http://localhost", "any", 200),
        ("http://[/health", "localhost", 400),
        ("http://user@localhost/", "localhost", 421),
        ("HTTP://LOCALHOST/nothing", "any", 404),
    ):
        answer = await raw_exchange(bystander.url, f"GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n")
        assert answer.status == status, target


async def test_every_answer_bears_a_date(bystander: RunningApi) -> None:
    for path in ("/health", IMAGES, "/nothing", f"{IMAGES}/x"):
        answer = await bystander.http.get(path)
        assert parsedate_to_datetime(answer.headers["date"]).tzinfo is not None


async def test_an_old_client_that_names_no_host_is_known_by_none(bystander: RunningApi) -> None:
    assert (await raw_exchange(bystander.url, "GET /health HTTP/1.0\r\n\r\n")).status == OK
    assert (await raw_exchange(bystander.url, f"GET {IMAGES} HTTP/1.0\r\n\r\n")).status == 421


@pytest.mark.parametrize("sent", ["", "GET / HTTP/1.1\r\n", f"GET / HTTP/1.1\r\n{HOST}X: "])
async def test_half_a_head_is_not_waited_for_for_ever(hasty: RunningApi, sent: str) -> None:
    async with raw_connection(hasty.url) as (reader, writer):
        writer.write(sent.encode())
        if sent:
            assert "head did not come" in _check(await read_answer(reader), 408, "request_timeout")
        assert await until_closed(reader) == b""


async def test_a_head_that_comes_by_drips_is_not_waited_for_either(hasty: RunningApi) -> None:
    async with raw_connection(hasty.url) as (reader, writer):
        writer.write(f"GET / HTTP/1.1\r\n{HOST}X: ".encode())
        answer = asyncio.create_task(read_answer(reader))

        async def drip() -> bool:
            writer.write(b"x")
            return answer.done()

        await eventually(drip)
        _check(await answer, 408, "request_timeout")


async def test_half_of_a_second_head_is_not_waited_for_either(hasty: RunningApi) -> None:
    async with raw_connection(hasty.url) as (reader, writer):
        writer.write(f"GET /health HTTP/1.1\r\n{HOST}\r\n".encode())
        assert (await read_answer(reader)).status == OK
        writer.write(b"GET /hea")
        _check(await read_answer(reader), 408, "request_timeout")
        assert await until_closed(reader) == b""


@pytest.mark.parametrize("rest", ["Content-Length: 100\r\n\r\n{", "Transfer-Encoding: chunked\r\n\r\n5\r\n{"])
async def test_half_a_body_is_not_waited_for_for_ever(hasty: RunningApi, rest: str) -> None:
    async with raw_connection(hasty.url) as (reader, writer):
        writer.write(f"POST {IMAGES} HTTP/1.1\r\n{HOST}Content-Type: application/json\r\n{rest}".encode())
        assert "body did not come" in _check(await read_answer(reader), 408, "request_timeout")
        assert await until_closed(reader) == b""


async def test_half_a_body_does_not_hold_the_end_up(database_url: str, tmp_path: Path) -> None:
    async with running_api(database_url, tmp_path) as server, raw_connection(server.url) as (reader, writer):
        writer.write(
            f"POST {IMAGES} HTTP/1.1\r\n{HOST}Content-Type: application/json\r\nContent-Length: 9\r\n\r\n{{".encode()
        )
        await eventually(lambda: _tasks(server), lambda count: count > 0)
        await server.stop()
        _check(await read_answer(reader), 408, "request_timeout")  # not 503, as when all time is over


async def _tasks(server: RunningApi) -> int:
    return len(server.server.server_state.tasks)


async def test_the_rest_of_a_body_that_was_refused_is_not_waited_for_either(hasty: RunningApi) -> None:
    async with raw_connection(hasty.url) as (reader, writer):
        writer.write(f"POST {IMAGES} HTTP/1.1\r\n{HOST}Content-Type: text/plain\r\nContent-Length: 9\r\n\r\nx".encode())
        assert (await read_answer(reader)).status == 415
        writer.write(b"x")
        assert await until_closed(reader) == b""


@pytest_asyncio.fixture(scope="module")
async def long_log(hasty: RunningApi) -> str:
    """The path of a log that is larger than all buffers between server and reader hold."""
    builder = ReportingBuilder(hasty.api.given.requests, hasty.api.given.hints)
    await builder.register()
    image = await hasty.order()
    checkpoint = await builder.claim(image["build_id"])
    attempt = await builder.attempt(checkpoint.build_id)
    for _page in range(64):
        await builder.write(attempt, PAGE)
    await builder.end(attempt, "succeeded")
    await builder.succeed(checkpoint)
    return f"{IMAGES}/{image['id']}/log"


@contextmanager
def _narrow_socket(url: str) -> Iterator[socket.socket]:
    """Connect by a socket that holds almost nothing of what was sent but not read."""
    address = urlsplit(url)
    with socket.socket() as narrow:
        narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        narrow.connect((address.hostname, address.port))
        yield narrow


@pytest.mark.parametrize("tail", ["", "/stream"])
async def test_who_reads_nothing_of_an_answer_is_given_up(hasty: RunningApi, long_log: str, tail: str) -> None:
    with _narrow_socket(hasty.url) as silent:
        silent.sendall(f"GET {long_log}{tail} HTTP/1.1\r\n{HOST}\r\n".encode())
        own = silent.getsockname()
        await eventually(lambda: _clients(hasty), lambda clients: own in clients)
        await eventually(lambda: _clients(hasty), lambda clients: own not in clients)


async def test_who_reads_slowly_gets_all(hasty: RunningApi, long_log: str) -> None:
    with _narrow_socket(hasty.url) as narrow:
        reader, writer = await asyncio.open_connection(sock=narrow, limit=4096)
        writer.write(f"GET {long_log} HTTP/1.1\r\n{HOST}\r\n".encode())
        answer = await read_answer(reader)
        writer.close()
    assert (answer.status, answer.body) == (OK, PAGE * 64)


async def _clients(server: RunningApi) -> set[object]:
    connections = server.server.server_state.connections
    return {connection.client for connection in connections if isinstance(connection, Connection)}
