"""One id for what a request sets off: taken or made up, bound to every log line, echoed on every answer."""

import asyncio
import logging
import re
import time
import uuid
from http import HTTPStatus

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.border.problems import error_response, internal_error_response
from api.border.routing import endpoint_of
from models.rules.errors.request import ServerStopping

log = logging.getLogger(__name__)

HEADER = "X-Correlation-ID"
_STOPPING = "Slipway is being stopped, and did not come to the end of this; look how far it is, then ask again."
_WELL_FORMED = re.compile(r"[A-Za-z0-9._:-]{1,128}", re.ASCII)
# asked every few seconds by machines: at info they would hide what people did
_PROBES = {"/health", "/health/liveness", "/health/readiness", "/ready", "/status", "/metrics"}


class Correlation:
    """The outermost layer: also where a defect becomes an answer, and where each request leaves its line."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        correlation_id = _taken(Headers(scope=scope)) or uuid.uuid4().hex
        scope.setdefault("state", {})["correlation_id"] = correlation_id
        began, status = time.perf_counter(), 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[HEADER] = correlation_id
            await send(message)

        with structlog.contextvars.bound_contextvars(correlation_id=correlation_id):
            try:
                await self._app(scope, receive, send_with_id)
            except asyncio.CancelledError:  # by the server, whose time to end is over
                if status:
                    raise
                await error_response(scope, ServerStopping(_STOPPING))(scope, receive, send_with_id)
            except Exception:
                log.exception("request_failed", extra={"method": scope["method"], "endpoint": endpoint_of(scope)})
                if status:  # too late to say so: only the cut connection tells
                    raise
                await internal_error_response(scope)(scope, receive, send_with_id)
            finally:
                _leave_line(scope, status, began)


def _taken(headers: Headers) -> str | None:
    given = headers.get(HEADER, "")
    return given if _WELL_FORMED.fullmatch(given) else None


def _leave_line(scope: Scope, status: int, began: float) -> None:
    is_dull = scope["path"] in _PROBES and status < HTTPStatus.INTERNAL_SERVER_ERROR
    log.log(
        logging.DEBUG if is_dull else logging.INFO,
        "request_answered",
        extra={
            "method": scope["method"],
            "endpoint": endpoint_of(scope),
            "status": int(status),
            "duration_ms": round((time.perf_counter() - began) * 1000, 1),
        },
    )
