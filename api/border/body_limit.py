"""No request's body is larger than this, whether its length is told or not."""

from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.border.problems import error_response
from models.rules.errors.request import BodyTooLarge

MOST_BYTES = 16 * 1024 * 1024
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
