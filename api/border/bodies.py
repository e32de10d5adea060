"""What a request's body may be: how large, whether its length is told or not, and of which kind."""

import json
import re
from http import HTTPStatus
from typing import Any

from fastapi import Request
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.border.problems import error_response
from models.rules.errors.request import BodyTooLarge, ContentEncodingUnsupported, MediaTypeUnsupported

MOST_BYTES = 16 * 1024 * 1024
_JSON = re.compile(r"application/(?:[!#$%&'*+.^_`|~0-9a-z-]+\+)?json", re.IGNORECASE | re.ASCII)
_SENTENCE = "The body is larger than 16 MiB; no request here needs that much."


class BodyLimit:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        told = Headers(scope=scope).get("content-length", "")
        if told.isdecimal() and int(told[:20]) > MOST_BYTES:
            await error_response(scope, BodyTooLarge(_SENTENCE))(scope, receive, send)
            return
        size_bytes = 0

        async def receive_counted() -> Message:
            nonlocal size_bytes
            message = await receive()
            size_bytes += len(message.get("body", b""))
            if size_bytes > MOST_BYTES:
                # FastAPI hands on this kind alone while it reads a body; problems.py gives it its form
                raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, _SENTENCE)
            return message

        await self._app(scope, receive_counted, send)


class JsonRequest(Request):
    """Reads JSON in UTF-8 only: the framework would also take UTF-16 and UTF-32, which JSON has no more (RFC 8259)."""

    async def json(self) -> Any:  # noqa: ANN401 - as the framework spells it
        return json.loads((await self.body()).decode("utf-8-sig"))


def kind_refusal(request: Request) -> Response | None:
    """Answer for a body that does not say it is JSON, without a look at it; None where it does, or where there is none.

    Parameters change nothing: JSON is UTF-8, whatever `charset` says.
    """
    headers = request.headers
    if "transfer-encoding" not in headers and headers.get("content-length", "0").strip("0") == "":
        return None
    encodings = [each.strip().lower() for line in headers.getlist("content-encoding") for each in line.split(",")]
    if set(encodings) - {"", "identity"}:
        sentence = "The body is compressed or encoded (Content-Encoding), which is not taken here; send it as it is."
        refusal = error_response(request.scope, ContentEncodingUnsupported(sentence))
        refusal.headers["Accept-Encoding"] = "identity"
        return refusal
    kinds = headers.getlist("content-type")
    if len(kinds) == 1 and _JSON.fullmatch(kinds[0].partition(";")[0].strip()):
        return None
    sentence = "Send the body as a JSON object, with the header Content-Type: application/json."
    refusal = error_response(request.scope, MediaTypeUnsupported(sentence))
    refusal.headers["Accept"] = "application/json"
    return refusal
