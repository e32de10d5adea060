import base64
import json
from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from standalone.demo.event_stream import ServerEvent, follow_log, server_events
from standalone.errors import CannotStart

LOG = "Step 1/2 : FROM busybox\u2028 one line\nStep 2/2 : RUN true\n".encode()


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def test_events_are_read_however_the_bytes_are_cut() -> None:
    sent = (
        ': hello\r\n\r\nid: 1.2\nevent: log\ndata: {"a":\ndata:  "\u2028é"}\n\nevent: end\ndata\n\ndata: cut'.encode()
    )
    pieces = [sent[place : place + 3] for place in range(0, len(sent), 3)]
    events = [event async for event in server_events(chunks(*pieces))]
    assert events == [ServerEvent("log", '{"a":\n "\u2028é"}', "1.2"), ServerEvent("end", "", "1.2")]


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
