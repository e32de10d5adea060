"""Between GitHub's border and its routes: makes the ordered faults happen."""

import asyncio
import time
from http import HTTPStatus

from starlette.responses import FileResponse, HTMLResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sandbox.faults.faults import FaultBoard, FaultOrder
from sandbox.github.answers import Refusal

_CORRUPT_BYTES = 16

_MESSAGES = {
    401: "Bad credentials",
    403: "Resource not accessible by personal access token",
    404: "Not Found",
    429: "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.",
}


class FaultInjection:
    def __init__(self, app: ASGIApp, board: FaultBoard) -> None:
        self._app = app
        self._board = board

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        fault = self._board.take(scope["path"]) if scope["type"] == "http" else None
        if fault is None:
            await self._app(scope, receive, send)
            return
        order = fault.order
        await asyncio.sleep(order.delay_seconds)
        whole: ASGIApp = self._app
        if fault.tarball is not None:
            whole = FileResponse(fault.tarball, media_type="application/x-gzip")
        await _answer_of(order, whole)(scope, receive, send)


def _answer_of(order: FaultOrder, whole: ASGIApp) -> ASGIApp:
    if order.rate_limit is not None:
        return _rate_limited(order)
    if order.status is not None:
        return _refused(order.status)
    if order.stall_after_bytes is not None:
        return _Stalled(whole, order.stall_after_bytes)
    if order.cut_off_after_bytes is not None:
        return _CutOff(whole, order.cut_off_after_bytes)
    return _Corrupted(whole) if order.corrupt else whole


def _rate_limited(order: FaultOrder) -> ASGIApp:
    if order.rate_limit == "secondary":
        return Refusal(429, _MESSAGES[429], {"retry-after": str(order.retry_after_seconds)}).response()
    used_up = {
        "x-ratelimit-limit": "60",
        "x-ratelimit-used": "60",
        "x-ratelimit-remaining": "0",
        "x-ratelimit-reset": str(int(time.time()) + order.retry_after_seconds),
        "x-ratelimit-resource": "core",
    }
    return Refusal(403, "API rate limit exceeded for 127.0.0.1.", used_up).response()


def _refused(status: int) -> ASGIApp:
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:  # GitHub's front answers these, in HTML
        return HTMLResponse("<!DOCTYPE html><title>Unicorn!</title><p>No server is available.</p>", status)
    return Refusal(status, _MESSAGES.get(status, "Validation Failed")).response()


class _Stalled:
    """Sends the head and some bytes, then nothing until the client has left."""

    def __init__(self, app: ASGIApp, after_bytes: int) -> None:
        self._app = app
        self._left = after_bytes
        self._is_over = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def stalling(message: Message) -> None:
            if self._is_over:
                return
            if message["type"] != "http.response.body":
                await send(message)
                return
            body = message.get("body", b"")
            if len(body) <= self._left and message.get("more_body", False):
                self._left -= len(body)
                await send(message)
                return
            self._is_over = True
            await send({"type": "http.response.body", "body": body[: self._left], "more_body": True})
            while (await receive())["type"] != "http.disconnect":
                pass

        await self._app(scope, receive, stalling)


class _CutOff:
    """Declares the whole length and returns early, upon which the server closes the connection."""

    def __init__(self, app: ASGIApp, after_bytes: int) -> None:
        self._app = app
        self._after_bytes = after_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        start, body = await _collect(self._app, scope, receive)
        await send(_with_length(start, len(body)))
        await send({"type": "http.response.body", "body": body[: self._after_bytes], "more_body": True})


class _Corrupted:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        start, body = await _collect(self._app, scope, receive)
        middle = max(0, len(body) // 2 - _CORRUPT_BYTES // 2)
        flipped = bytes(byte ^ 0xFF for byte in body[middle : middle + _CORRUPT_BYTES])
        body = body[:middle] + flipped + body[middle + _CORRUPT_BYTES :]
        await send(_with_length(start, len(body)))
        await send({"type": "http.response.body", "body": body, "more_body": False})


async def _collect(app: ASGIApp, scope: Scope, receive: Receive) -> tuple[Message, bytes]:
    """Let the app answer into memory: sandbox bodies are small, and the length must be known before the first byte."""
    starts: list[Message] = []
    chunks: list[bytes] = []

    async def keep(message: Message) -> None:
        if message["type"] == "http.response.start":
            starts.append(message)
        elif message["type"] == "http.response.body":
            chunks.append(message.get("body", b""))

    await app(scope, receive, keep)
    return starts[0], b"".join(chunks)


def _with_length(start: Message, length: int) -> Message:
    kept = [(name, value) for name, value in start["headers"] if name.lower() != b"content-length"]
    return {**start, "headers": [*kept, (b"content-length", str(length).encode())]}
