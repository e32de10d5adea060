"""Puts the look-alike together: border, faults, GitHub's routes, its own routes."""

from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.exception_handlers import http_exception_handler
from starlette.exceptions import HTTPException
from starlette.responses import Response

from sandbox.border import GitHubBorder, VisitorRule
from sandbox.faults import control
from sandbox.faults.faults import FaultBoard
from sandbox.faults.injection import FaultInjection
from sandbox.git import GitFailed
from sandbox.github import rest
from sandbox.github.answers import Refusal, not_found
from sandbox.github.rate_limits import RateLimits
from sandbox.github.tarballs import Tarballs
from sandbox.repositories import Repositories
from sandbox.request_log import RequestLog

SANDBOX_TOKEN = "sandbox-token"  # noqa: S105  # opens nothing but the sandbox


@dataclass(frozen=True)
class SandboxOptions:
    """`root` holds `<owner>/<repo>`; limits are requests an hour; `download_url` is where tarballs come from.

    `allowed_hosts` are names, besides the loopback's, that a request's Host may bear.
    """

    root: Path
    tokens: frozenset[str] = frozenset({SANDBOX_TOKEN})
    anonymous_limit: int = 60
    token_limit: int = 5000
    download_url: str | None = None
    allowed_hosts: frozenset[str] = frozenset()


def create_app(options: SandboxOptions) -> FastAPI:
    app = FastAPI(
        title="GitHub look-alike",
        summary="GitHub's REST API over local git repositories, with faults to order",
        openapi_url="/_sandbox/openapi.json",
        docs_url=None,  # its pages would come from the internet
        redoc_url=None,
    )
    board, log = FaultBoard(), RequestLog()
    app.state.source_host = rest.SourceHost(Repositories(options.root), options.download_url)
    app.state.control = control.Control(board, Tarballs(options.root), log)
    app.include_router(control.router)
    app.include_router(rest.router)
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(GitFailed, _git_failed)
    app.add_exception_handler(HTTPException, _unknown_route)
    limits = RateLimits(options.anonymous_limit, options.token_limit)
    app.add_middleware(FaultInjection, board=board)  # the last added is the first met
    app.add_middleware(GitHubBorder, tokens=options.tokens, limits=limits, log=log)
    app.add_middleware(VisitorRule, allowed_hosts=options.allowed_hosts)
    return app


async def _refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    return error.response()


async def _git_failed(_request: Request, error: Exception) -> Response:
    return Refusal(500, f"Server Error: {error}").response()


async def _unknown_route(request: Request, error: Exception) -> Response:
    """Answer as GitHub does for what it does not know, a wrong method included; the own routes say what was wrong."""
    assert isinstance(error, HTTPException)
    if request.url.path.startswith("/_sandbox"):
        return await http_exception_handler(request, error)
    if error.status_code in {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED}:
        return not_found().response()
    return Refusal(error.status_code, str(error.detail)).response()
