import base64
import json
from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from standalone.demo.event_stream import follow_log, server_events
from standalone.errors import CannotStart

LOG = "Step 1/2 : FROM busybox\u2028 one line\nStep 2/2 : RUN true\n".encode()


class Chunks(httpx.AsyncByteStream):
    """An answer's body, cut at any byte."""

    def __init__(self, body: bytes, chunk_bytes: int) -> None:
        self._chunks = [body[place : place + chunk_bytes] for place in range(0, len(body), chunk_bytes)]

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self._chunks:
            yield chunk


@pytest.mark.parametrize("chunk_bytes", [1, 3, 1000])
async def test_events_are_read_however_the_bytes_are_cut(chunk_bytes: int) -> None:
    sent = (
        ': hello\r\n\r\nretry: 1000\n\nid: 1.2\nevent: log\ndata: {"a":\ndata:  "\u2028é\x85"}\n\n'
        ": waiting\n\nevent: end\ndata: {}\n\nevent: log\ndata: cut"
    ).encode()
    headers = {"Content-Type": "text/event-stream"}
    answer = httpx.Response(200, headers=headers, stream=Chunks(sent, chunk_bytes))
    events = [(event.event, event.data, event.id) async for event in server_events(answer)]
    assert events == [("log", '{"a":\n "\u2028é\x85"}', "1.2"), ("end", "{}", "1.2")]


class LogApi:
    """Serves a log in pieces, and cuts the connection after each."""

    def __init__(self, log: bytes, piece_bytes: int) -> None:
        self._log = log
        self._piece_bytes = piece_bytes
        self.connections = 0

    async def stream(self, request: Request) -> StreamingResponse:
        self.connections += 1
        offset = int(request.headers.get("Last-Event-ID", "1.0").partition(".")[2])
        return StreamingResponse(self._piece(offset), media_type="text/event-stream")

    async def only_retry(self, _: Request) -> StreamingResponse:
        self.connections += 1
        return StreamingResponse(iter(["retry: 1000\n\n: waiting\n\n"]), media_type="text/event-stream")

    async def _piece(self, offset: int) -> AsyncIterator[str]:
        piece = self._log[offset : offset + self._piece_bytes]
        if not piece:
            yield 'event: end\ndata: {"status": "success"}\n\n'
            return
        try:
            data = {"offset": offset, "text": piece.decode()}
        except UnicodeDecodeError:
            data = {"offset": offset, "base64": base64.b64encode(piece).decode()}
        yield f"event: log\nid: 1.{offset + len(piece)}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"


def client_of(api: LogApi) -> httpx.AsyncClient:
    app = Starlette(routes=[Route("/api/v1/images/{image}/log/stream", api.stream)])
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://slipway")


@pytest.mark.parametrize("log", [LOG, b"no UTF-8: \xff\n"])
async def test_a_log_is_whole_over_lost_connections(log: bytes) -> None:
    api, written = LogApi(log, piece_bytes=40), list[str]()
    async with client_of(api) as http:
        await follow_log(http, 7, written.append)
    assert "".join(written) == log.decode(errors="replace")
    assert api.connections == len(written) + 1


async def test_an_image_that_is_gone_is_said_and_not_asked_for_again() -> None:
    app = Starlette()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://slipway") as http:
        with pytest.raises(CannotStart, match="404"):
            await follow_log(http, 7, print)


async def test_connections_that_bring_nothing_are_not_made_for_ever() -> None:
    api = LogApi(b"", piece_bytes=1)
    app = Starlette(routes=[Route("/api/v1/images/{image}/log/stream", api.only_retry)])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://slipway") as http:
        with pytest.raises(CannotStart, match="broke off 5 times"):
            await follow_log(http, 7, print)
    assert api.connections == 5
