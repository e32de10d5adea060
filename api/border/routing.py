"""How paths are registered, spelled, found and named."""

import re
from collections.abc import Callable, Iterable
from typing import Any, TypeVar
from urllib.parse import unquote

from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from api.border.problems import method_refusal

UNMATCHED = "unmatched"
_ENCODED_SLASH = re.compile("%2f", re.IGNORECASE)
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


class Paths:
    """The templates of all paths, and which methods each takes."""

    def __init__(self, routes: Iterable[APIRoute]) -> None:
        self._by_template: dict[str, list[APIRoute]] = {}
        for route in routes:
            self._by_template.setdefault(route.path, []).append(route)

    def at(self, path: str) -> list[APIRoute]:
        """Return the routes of the one template that means this path; [] when none does.

        A literal word counts before a parameter: `/images/github-tags` is no image, whatever method is asked.
        """
        meant = [routes for routes in self._by_template.values() if routes[0].path_regex.match(path)]
        return min(meant, key=lambda routes: [part.startswith("{") for part in routes[0].path.split("/")], default=[])


def methods_of(routes: Iterable[APIRoute]) -> set[str]:
    return {method for route in routes for method in route.methods or ()}


class KnownMethods:
    """Refuses a method that the path does not take. The framework alone would give it to a wider template's route."""

    def __init__(self, app: ASGIApp, paths: Paths) -> None:
        self._app = app
        self._paths = paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        routes = self._paths.at(scope["path"]) if scope["type"] == "http" else []
        if routes and scope["method"] not in methods_of(routes):
            scope["route"] = routes[0]  # what `endpoint_of` names it by
            await method_refusal(scope, methods_of(routes))(scope, receive, send)
            return
        await self._app(scope, receive, send)


class PathSpelling:
    """A path with a slash at its end is the same path, answered without a redirect; an encoded slash parts nothing."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope["path"] = _spelled(scope["path"], scope.get("raw_path", b""))
        await self._app(scope, receive, send)


def _spelled(path: str, raw: bytes) -> str:
    if b"%2" in raw:  # the server has decoded it, as if it were a slash: decode anew, all but this
        path = unquote(_ENCODED_SLASH.sub("%252F", raw.decode("ascii")))
    return path[:-1] if len(path) > 1 and path.endswith("/") else path
