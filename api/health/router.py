"""What machines ask of this process, and where a browser lands."""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Request
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import RedirectResponse, Response

from api.border.idempotency import JSON
from api.border.routing import readable
from api.health.schemas import LivenessAnswer, ReadinessAnswer
from api.parts import AnyApi
from api.version import VERSION

_LAME: dict[int | str, dict[str, Any]] = {
    503: {"model": ReadinessAnswer, "description": "Not ready; says what is lame"}
}

_TO_PAGES: dict[int | str, dict[str, Any]] = {307: {"description": "A browser is led to the documentation"}}
_FIGURES: dict[int | str, dict[str, Any]] = {200: {"content": {"text/plain": {"schema": {"type": "string"}}}}}

router = APIRouter(tags=["Operations"])


def _alive() -> Response:
    answer = LivenessAnswer(status="healthy", timestamp=datetime.now(UTC), version=VERSION)
    return Response(answer.model_dump_json(), media_type=JSON)


@readable(
    router, "/", operation_id="say_hello", response_model=LivenessAnswer, summary="Say hello", responses=_TO_PAGES
)
async def root(request: Request) -> Response:
    """Browsers are led to the documentation."""
    if "text/html" in request.headers.get("accept", ""):
        return RedirectResponse("/docs")
    return _alive()


@readable(router, "/health", operation_id="show_health", response_model=LivenessAnswer, summary="Is this process alive")
@readable(
    router,
    "/health/liveness",
    operation_id="show_liveness",
    response_model=LivenessAnswer,
    summary="Is this process alive",
)
async def liveness() -> Response:
    """The process only: its parts are asked by /ready."""
    return _alive()


@readable(
    router,
    "/ready",
    operation_id="show_readiness",
    response_model=ReadinessAnswer,
    summary="Can it do its work",
    responses=_LAME,
)
@readable(
    router,
    "/status",
    operation_id="show_status",
    response_model=ReadinessAnswer,
    summary="Can it do its work",
    responses=_LAME,
)
@readable(
    router,
    "/health/readiness",
    operation_id="show_health_readiness",
    response_model=ReadinessAnswer,
    summary="Can it do its work",
    responses=_LAME,
)
async def readiness(api: AnyApi) -> Response:
    """Each part is asked for 1.5 s at most; the answer is kept for a second. 503 with this body when not ready."""
    answer = await api.readiness.answer()
    status = HTTPStatus.OK if answer.status == "healthy" else HTTPStatus.SERVICE_UNAVAILABLE
    headers = {} if status == HTTPStatus.OK else {"Retry-After": "2"}
    return Response(answer.model_dump_json(), status, headers, JSON)


@readable(
    router,
    "/metrics",
    operation_id="show_metrics",
    response_class=Response,
    summary="Figures for Prometheus",
    responses=_FIGURES,
)
async def metrics(api: AnyApi) -> Response:
    return Response(generate_latest(api.metrics.registry), media_type=CONTENT_TYPE_LATEST)
