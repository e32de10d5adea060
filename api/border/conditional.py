"""ETags, so that who polls gets 304 while nothing has changed; JSON answers all bear one."""

import hashlib
from http import HTTPStatus
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

ASK_AGAIN = "no-cache"  # may be kept, must be asked about each time
# for the description of what bears an ETag
UNCHANGED: dict[int | str, dict[str, Any]] = {
    304: {"description": "Nothing has changed since the ETag that `If-None-Match` bears"}
}
_READS = {"GET", "HEAD"}


class Conditional:
    """Holds back JSON answers of 200 until they are whole; streams and all else pass as they come."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] not in _READS:
            await self._app(scope, receive, send)
            return
        asked = Headers(scope=scope)
        start: Message | None = None
        body = bytearray()

        async def send_when_whole(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start" and _is_json(message):
                start = message
            elif start is None:
                await send(message)
            else:
                body.extend(message.get("body", b""))
                if not message.get("more_body", False):
                    await _send_whole(start, bytes(body), asked, send)

        await self._app(scope, receive, send_when_whole)


def _is_json(start: Message) -> bool:
    content_type = Headers(raw=start["headers"]).get("content-type", "")
    return start["status"] == HTTPStatus.OK and content_type.partition(";")[0] == "application/json"


async def _send_whole(start: Message, body: bytes, asked: Headers, send: Send) -> None:
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = MutableHeaders(raw=list(start["headers"]))
    headers["ETag"] = tag
    headers["Cache-Control"] = ASK_AGAIN
    status = start["status"]
    if is_known(asked, tag):
        status, body = HTTPStatus.NOT_MODIFIED, b""
        del headers["content-length"]
        del headers["content-type"]
    await send({**start, "status": status, "headers": headers.raw})
    await send({"type": "http.response.body", "body": body})


def is_known(asked: Headers, tag: str) -> bool:
    """Say whether who asked has the answer with this ETag already."""
    seen = asked.get("if-none-match")
    return seen is not None and is_matched(seen, tag)


def is_matched(if_none_match: str, tag: str) -> bool:
    """Compare weakly, as RFC 9110 §13.1.2 has it."""
    tags = {each.strip().removeprefix("W/") for each in if_none_match.split(",")}
    return "*" in tags or tag in tags
