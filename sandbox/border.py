"""What every request meets first: whether a website sent it; and to GitHub the record of it, token, rate limit."""

from collections.abc import Collection
from http import HTTPStatus
from typing import Literal
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from process.visitors import READS, complaint_about_write, is_known_host
from sandbox.faults.faults import route_of
from sandbox.github.answers import Refusal
from sandbox.github.rate_limits import RateLimits, Window
from sandbox.request_log import RequestLog


class VisitorRule:
    """Refuses what a website may have sent through the browser of somebody on this machine: reads, and faults to order.

    Requests come to an address of the loopback, or to one of the names that were given.
    """

    def __init__(self, app: ASGIApp, allowed_hosts: Collection[str]) -> None:
        self._app = app
        self._allowed_hosts = allowed_hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = self._refusal(scope) if scope["type"] == "http" else None
        if refusal is not None:
            await refusal.response()(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _refusal(self, scope: Scope) -> Refusal | None:
        headers = Headers(scope=scope)
        if not is_known_host(headers.get("host", ""), scope["scheme"], self._allowed_hosts):
            return Refusal(421, "The sandbox answers on this machine, or under the names given by --allowed-host.")
        complaint = None if scope["method"] in READS else complaint_about_write(scope["scheme"], headers)
        return Refusal(403, complaint) if complaint is not None else None


class GitHubBorder:
    """Lets callers with a good token, or with none, pass on to the API until their requests of the hour are used up.

    The download host (`/codeload`) and the sandbox's own routes know neither tokens nor limits.
    """

    def __init__(self, app: ASGIApp, tokens: frozenset[str], limits: RateLimits, log: RequestLog) -> None:
        self._app = app
        self._tokens = tokens
        self._limits = limits
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith("/_sandbox"):
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        self._log.note(request)
        route = route_of(scope["path"])
        if route is not None and route[0] == "codeload":
            await self._app(scope, receive, send)
            return
        await self._answer_as_api(request, receive, send)

    async def _answer_as_api(self, request: Request, receive: Receive, send: Send) -> None:
        token = _token(request)
        if not request.headers.get("user-agent"):
            await _refuse(
                403, "Request forbidden by administrative rules. Please make sure your request has a User-Agent header."
            )(request.scope, receive, send)
            return
        if token is not None and token not in self._tokens:
            await _refuse(401, "Bad credentials")(request.scope, receive, send)
            return
        caller = request.client.host if request.client else "nobody"
        window = self._limits.window(f"token {token}" if token else caller, has_token=token is not None)
        if window.is_used_up:
            refusal = _refuse(403, f"API rate limit exceeded for {caller}.", window.headers())
            await refusal(request.scope, receive, send)
            return
        window.used += 1
        request.scope.setdefault("state", {})["has_token"] = token is not None
        await self._app(request.scope, receive, _with_limits(send, window, has_token=token is not None))


def _with_limits(send: Send, window: Window, *, has_token: bool) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            if (
                message["status"] == HTTPStatus.NOT_MODIFIED and has_token
            ):  # GitHub does not count these (REST guide, best practices)
                window.used -= 1
            headers = MutableHeaders(scope=message)
            headers.setdefault("x-github-request-id", uuid4().hex)
            for name, value in window.headers().items():
                headers.setdefault(name, value)  # a fault may have told other numbers
        await send(message)

    return sending


def _token(request: Request) -> str | None:
    scheme, _space, value = request.headers.get("authorization", "").partition(" ")
    if not scheme:
        return None
    return value.strip() if scheme.lower() in {"bearer", "token"} else ""


def _refuse(status: Literal[401, 403], message: str, headers: dict[str, str] | None = None) -> ASGIApp:
    return Refusal(status, message, headers).response()
