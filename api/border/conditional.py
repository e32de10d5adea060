"""ETags: JSON answers all bear one. Who polls gets 304 while nothing has changed; who writes may name what he saw."""

import hashlib
import re
from http import HTTPStatus
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.border.problems import answers
from models.rules.errors.request import PreconditionFailed

ASK_AGAIN = "no-cache"  # may be kept, must be asked about each time
# for the description of what bears an ETag
UNCHANGED: dict[int | str, dict[str, Any]] = {
    304: {"description": "Nothing has changed since the ETag that `If-None-Match` bears"}
}
CHANGED: dict[int | str, dict[str, Any]] = answers(PreconditionFailed)  # likewise, of what changes something
_READS = {"GET", "HEAD"}
_IF_MATCH, _IF_NONE_MATCH = "if-match", "if-none-match"
_ANY = ["*"]
_TAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"')  # commas and all: RFC 9110 §8.8.3


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
    tag = tag_of(body)
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


def tag_of(body: bytes) -> str:
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"'


def is_known(asked: Headers, tag: str) -> bool:
    """Say whether who asked has the answer with this ETag already: compared weakly, RFC 9110 §13.1.2."""
    seen = _tags(asked, _IF_NONE_MATCH)
    return seen == _ANY or tag in {each.removeprefix("W/") for each in seen}


def is_conditional(asked: Headers) -> bool:
    return _IF_MATCH in asked or _IF_NONE_MATCH in asked


def check_conditions(asked: Headers, body: bytes) -> None:
    """Hold a write's conditions against what a GET of the same path would answer now, in the write's transaction.

    Raises PreconditionFailed. Call it when the write has found nothing else to refuse: RFC 9110 §13.2.1.
    """
    tag = tag_of(body)
    wanted = _tags(asked, _IF_MATCH)  # compared strongly, §13.1.1: a weak one, as "W/…", matches nothing
    if _IF_MATCH in asked and wanted != _ANY and tag not in wanted:
        raise PreconditionFailed("This has changed since you read it (If-Match); read it again, and decide anew.")
    if _IF_NONE_MATCH in asked and is_known(asked, tag):
        raise PreconditionFailed("This is what If-None-Match says it must not be; nothing was changed.")


def _tags(asked: Headers, name: str) -> list[str]:
    """Return what all lines of a header list; what is no ETag matches nothing, so it is left out."""
    lines = ",".join(asked.getlist(name)).strip()
    return _ANY if lines == "*" else _TAG.findall(lines)
