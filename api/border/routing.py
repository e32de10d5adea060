"""How paths are registered, found and named."""

from collections.abc import Callable
from typing import Any, TypeVar

from fastapi import APIRouter
from starlette.types import ASGIApp, Receive, Scope, Send

UNMATCHED = "unmatched"
_Endpoint = TypeVar("_Endpoint", bound=Callable[..., Any])


def readable(router: APIRouter, path: str, **described: Any) -> Callable[[_Endpoint], _Endpoint]:  # noqa: ANN401
    """Register a GET that answers HEAD as well; only the GET is described. Options are those of `router.get`."""

    def register(endpoint: _Endpoint) -> _Endpoint:
        router.add_api_route(path, endpoint, methods=["GET"], **described)
        router.add_api_route(path, endpoint, methods=["HEAD"], **described | {"include_in_schema": False})
        return endpoint

    return register


def endpoint_of(scope: Scope) -> str:
    """Return the template of the path that was found, after the request went through the router."""
    path = getattr(scope.get("route"), "path", None)
    return path if isinstance(path, str) else UNMATCHED


class TrailingSlash:
    """Both spellings of a path are one: what ends in a slash is answered directly, without a redirect."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and len(scope["path"]) > 1 and scope["path"].endswith("/"):
            scope["path"] = scope["path"].rstrip("/") or "/"
        await self._app(scope, receive, send)
