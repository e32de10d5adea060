import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from datetime import timedelta
from http import HTTPStatus

import pytest

from process.watchdog import Watchdog
from standalone.errors import NotServing
from standalone.free_ports import LOOPBACK, free_port
from standalone.liveness import Beats, Check, Watch, answers
from tests.support.eventually import eventually

AT_ONCE = Watch(every=timedelta(), answer_within=timedelta(seconds=30), failures=3)


def failing(*pattern: bool) -> tuple[Check, Callable[[], int]]:
    """Return a check that fails by this pattern, over and over, and how often it was asked."""
    asked = 0

    async def check() -> None:
        nonlocal asked
        asked += 1
        if pattern[(asked - 1) % len(pattern)]:
            raise NotServing(f"mute at {asked}")

    return check, lambda: asked


async def test_a_program_is_mute_when_it_fails_so_many_times_in_a_row() -> None:
    check, asked = failing(True, True, False, True, True, True)
    assert await AT_ONCE.until_mute(check) == "mute at 6, 3 times in a row"
    assert asked() == 6


async def test_a_silence_is_a_failure_when_it_lasts_too_long() -> None:
    async def silent() -> None:
        await asyncio.Event().wait()

    watch = Watch(every=timedelta(), answer_within=timedelta(milliseconds=10), failures=2)
    assert await watch.until_mute(silent) == "no answer within 0.01 s, 2 times in a row"


async def test_a_refused_connection_is_a_failure() -> None:
    async def refused() -> None:
        await asyncio.open_connection(LOOPBACK, free_port())

    assert "no answer" in await AT_ONCE.until_mute(refused)


@asynccontextmanager
async def web_server(status: HTTPStatus) -> AsyncIterator[str]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 {status.value} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
        writer.close()

    async with await asyncio.start_server(answer, LOOPBACK, 0) as server:
        yield f"http://{LOOPBACK}:{server.sockets[0].getsockname()[1]}/"


@pytest.mark.parametrize("status", [HTTPStatus.OK, HTTPStatus.NOT_FOUND])
async def test_whoever_answers_serves(status: HTTPStatus) -> None:
    async with web_server(status) as url:
        await answers(url)()


async def test_a_servers_error_is_no_service_and_neither_is_a_closed_port() -> None:
    async with web_server(HTTPStatus.SERVICE_UNAVAILABLE) as url:
        with pytest.raises(NotServing, match="answers 503"):
            await answers(url)()
    with pytest.raises(NotServing, match="no answer"):
        await answers(url)()


@pytest.fixture
async def beats() -> AsyncIterator[Beats]:
    with closing(Beats()) as beats:
        await beats.listen()
        yield beats


async def test_a_process_is_heard_while_its_loop_turns_and_not_after_that(beats: Beats) -> None:
    async with Watchdog(beats.told["NOTIFY_SOCKET"]):
        for _ in range(2):
            await beats.check()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await beats.check()


async def test_what_an_earlier_process_said_is_forgotten(beats: Beats) -> None:
    async with Watchdog(beats.told["NOTIFY_SOCKET"]):
        assert await eventually(beats.has_beaten)
    async with Watchdog(beats.told["NOTIFY_SOCKET"]):
        await asyncio.sleep(0)
    await beats.listen()
    assert not await beats.has_beaten()


@pytest.mark.parametrize("address", [None, "", "@slipway-nobody-listens", "/no/such/socket"])
async def test_a_process_that_nobody_watches_goes_on(address: str | None) -> None:
    async with Watchdog(address):
        await asyncio.sleep(0)
