"""Who asks, and what a website may not do. Credentials, scopes and rate limits will be read here, and only here."""

from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urlsplit

from fastapi import Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.border.problems import PROBLEM_JSON, error_response, problem_body
from models.rules.errors.request import CrossOriginWrite

_READS = {"GET", "HEAD", "OPTIONS"}
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}
_OWN_SITES = {"same-origin", "none"}
_DEFAULT_PORTS = {"http": 80, "https": 443}
_POLICY = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
# Swagger UI starts itself by a script in the page, and styles itself
_DOCS_POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:;"
    " connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
_DOCS = ("/docs", "/static-offline-docs")


@dataclass(frozen=True)
class Caller:
    """Whoever asks, as it stands in events and beside idempotency keys."""

    name: str


def caller(_request: Request) -> Caller:
    """Say who asks. No credentials are known yet, so everybody is anonymous."""
    return Caller("anonymous")


class OriginRule:
    """Refuses a write that a website of another origin may have sent through a visitor's browser."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] not in _READS:
            complaint = refusal(scope["scheme"], Headers(scope=scope))
            if complaint is not None:
                await error_response(scope, CrossOriginWrite(complaint))(scope, receive, send)
                return
        await self._app(scope, receive, send)


def refusal(scheme: str, headers: Headers) -> str | None:
    """Return why a write without a credential is refused, None when it is not."""
    own = _address(scheme, headers.get("host", ""))
    if own is None or own[0] not in _LOOPBACK:
        return (
            "Without a credential, changes are taken on this machine only: ask at http://127.0.0.1 or"
            " http://localhost, where Slipway runs."
        )
    origin = headers.get("origin")
    if origin is not None and not _is_own(origin, scheme, own):
        return "A page of another origin may not change anything here; send the request from outside a browser."
    if headers.get("sec-fetch-site", "none").lower() not in _OWN_SITES:
        return "A page of another site may not change anything here; send the request from outside a browser."
    return None


def _is_own(origin: str, scheme: str, own: tuple[str, int]) -> bool:
    origin_scheme, _, address = origin.lower().partition("://")
    return origin_scheme == scheme and _address(scheme, address) == own


def _address(scheme: str, host: str) -> tuple[str, int] | None:
    """Return name and port of a Host header, None when it is none."""
    if any(each in host for each in "/?#@\\ "):
        return None
    try:
        parts = urlsplit(f"//{host}")
        port = parts.port or _DEFAULT_PORTS.get(scheme, 0)
    except ValueError:
        return None
    return (parts.hostname, port) if parts.hostname else None


class Cors(CORSMiddleware):
    """Starlette's, but a preflight that is refused gets a problem, like any other refusal."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        except _PreflightRefused:
            status, code = HTTPStatus.FORBIDDEN, "cross_origin_preflight"
            detail = (
                "A page of this origin may not send such a request; SLIPWAY_CORS_ORIGINS names the pages that may read"
                " answers."
            )
            body = problem_body(scope, status, code, detail)
            await Response(body, status, {"Vary": "Origin"}, PROBLEM_JSON)(scope, receive, send)

    def preflight_response(self, request_headers: Headers) -> Response:
        answer = super().preflight_response(request_headers)
        if answer.status_code != HTTPStatus.OK:
            raise _PreflightRefused
        return answer


class _PreflightRefused(Exception):
    """Starlette makes this answer without knowing the request's scope, which a problem needs."""


class SecurityHeaders:
    """What every answer tells browsers not to do with it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        policy = _DOCS_POLICY if scope["path"].startswith(_DOCS) else _POLICY

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["X-Content-Type-Options"] = "nosniff"
                headers["X-Frame-Options"] = "DENY"
                headers["Referrer-Policy"] = "no-referrer"
                headers["Content-Security-Policy"] = policy
            await send(message)

        await self._app(scope, receive, send_with_headers)
