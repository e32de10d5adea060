"""Which pages of other origins may read answers, and what a preflight promises them: what the request will get, only.

Starlette's layer promises a list of methods to whoever asks, and its answers know no correlation id and no problem.
"""

from collections.abc import Collection
from http import HTTPStatus

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.border.problems import PROBLEM_JSON, problem_body

ANY_ORIGIN = "*"
_READS = {"GET", "HEAD"}  # no more without a credential
_CREDENTIALS = {"authorization", "x-api-key", "cookie"}
_KEPT_SECONDS = "600"
_VARY = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"


class CorsHeaders:
    """Lets configured pages read whatever is answered, defects too. `*` is for requests without a credential."""

    def __init__(self, app: ASGIApp, origins: Collection[str], exposed: Collection[str]) -> None:
        self._app = app
        self._origins = origins
        self._exposed = ", ".join(exposed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        asked = Headers(scope=scope)
        allowed = allowed_origin(self._origins, asked.get("origin"), sent=asked.keys())

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.add_vary_header("Origin")
                if allowed is not None:
                    headers["Access-Control-Allow-Origin"] = allowed
                    headers["Access-Control-Expose-Headers"] = self._exposed
            await send(message)

        await self._app(scope, receive, send_with_headers)


class Preflight:
    """Answers what a browser asks before a page's request."""

    def __init__(self, app: ASGIApp, origins: Collection[str]) -> None:
        self._app = app
        self._origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = Headers(scope=scope) if scope["type"] == "http" else Headers()
        method = asked.get("access-control-request-method")
        if method is None or scope["method"] != "OPTIONS" or "origin" not in asked:
            await self._app(scope, receive, send)
            return
        wanted = asked.get("access-control-request-headers", "")
        named = {each.strip().lower() for each in wanted.split(",")}
        is_allowed = allowed_origin(self._origins, asked.get("origin"), sent=named) is not None
        answer = _promise(wanted) if is_allowed and method in _READS else _refusal(scope)
        await answer(scope, receive, send)


def allowed_origin(origins: Collection[str], origin: str | None, *, sent: Collection[str]) -> str | None:
    """Return what Access-Control-Allow-Origin says to this page's request with the headers `sent`; None: nothing."""
    if origin is None:
        return None
    if origin in origins:
        return origin
    return ANY_ORIGIN if ANY_ORIGIN in origins and not _CREDENTIALS & set(sent) else None


def _promise(wanted_headers: str) -> Response:
    headers = {
        "Access-Control-Allow-Methods": ", ".join(sorted(_READS)),
        "Access-Control-Max-Age": _KEPT_SECONDS,
        "Vary": _VARY,
    }
    if wanted_headers:
        headers["Access-Control-Allow-Headers"] = wanted_headers  # a read is answered whatever it bears
    return Response(status_code=HTTPStatus.NO_CONTENT, headers=headers)


def _refusal(scope: Scope) -> Response:
    detail = (
        "A page of this origin may not send such a request; SLIPWAY_CORS_ORIGINS names the pages that may read answers,"
        " and none may change anything without a credential."
    )
    status = HTTPStatus.FORBIDDEN
    body = problem_body(scope, status, "cross_origin_preflight", detail)
    return Response(body, status, {"Vary": _VARY}, PROBLEM_JSON)
