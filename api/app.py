"""The composition root of the HTTP application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from fastapi import FastAPI
from fastapi.routing import APIRoute
from fastapi_offline import FastAPIOffline
from sse_starlette.sse import AppStatus
from starlette.middleware import Middleware

from api.border.bodies import BodyLimit
from api.border.conditional import Conditional
from api.border.correlation import HEADER as CORRELATION_HEADER
from api.border.correlation import Correlation
from api.border.framing import Framing
from api.border.idempotency import REPLAYED
from api.border.metrics import Measured
from api.border.problems import install_problem_handlers
from api.border.routing import KnownMethods, Paths, PathSpelling
from api.border.visitors.cors import CorsHeaders, Preflight
from api.border.visitors.rules import HostRule, WriteRule
from api.border.visitors.security_headers import SecurityHeaders
from api.description import EVERY_ANSWER, TITLE, describe
from api.health.router import router as health
from api.images.router import router as images
from api.logs.router import router as logs
from api.parts import Api, ApiWorld

_ROUTERS = (images, logs, health)
_PATHS = Paths(route for router in _ROUTERS for route in router.routes if isinstance(route, APIRoute))
_DRAIN = timedelta(seconds=3)
_EXPOSED = ["Accept-Ranges", "Content-Range", "ETag", "Link", "Location", "Retry-After", CORRELATION_HEADER, REPLAYED]


def create_app(given: ApiWorld) -> FastAPI:
    """Build the application; `app.state.api.stop()` begins its end, the server's shutdown completes it."""
    # our streams say farewell themselves: the library would end those of every app in this process at once
    AppStatus.enable_automatic_graceful_drain = False
    api = Api(given)
    app: FastAPI = FastAPIOffline(
        title=TITLE,
        redoc_url=None,
        redirect_slashes=False,
        middleware=_layers(api),
        lifespan=_lifespan,
        responses=EVERY_ANSWER,
        generate_unique_id_function=lambda route: route.name,  # a client's name for it: `order_image`
        swagger_ui_parameters={"validatorUrl": None, "tryItOutEnabled": True},
    )
    _answer_head(app)
    app.state.api = api
    for router in _ROUTERS:
        app.include_router(router)
    install_problem_handlers(app, given.redaction)
    describe(app)
    return app


def _answer_head(app: FastAPI) -> None:
    """Let what reads only answer HEAD, too: FastAPI registers GET alone; our own routes see to it by `readable`."""
    for route in app.routes:
        if isinstance(route, APIRoute) and route.methods == {"GET"}:
            route.methods.add("HEAD")


def _layers(api: Api) -> list[Middleware]:
    """From the outermost to the innermost: each sees what those before it did not answer."""
    origins = api.given.cors_origins
    return [
        Middleware(SecurityHeaders),  # also on what Correlation answers for a defect
        *([Middleware(CorsHeaders, origins=origins, exposed=_EXPOSED)] if origins else []),  # likewise
        Middleware(Correlation),
        Middleware(Measured, metrics=api.metrics),
        Middleware(Framing),
        Middleware(PathSpelling),
        Middleware(HostRule, named=api.given.allowed_hosts),
        *([Middleware(Preflight, origins=origins)] if origins else []),
        Middleware(WriteRule),
        Middleware(BodyLimit),
        Middleware(Conditional),
        Middleware(KnownMethods, paths=_PATHS),
    ]


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    api: Api = app.state.api
    async with api.given.hints, api.migration:
        yield
        api.stop()
        await api.gateway.drain(_DRAIN)
