"""The OpenAPI description: what no single handler can say of itself."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api.border.problems import PROBLEM_JSON, Problem, answers
from api.border.visitors.rules import is_probe
from api.version import VERSION
from models.rules.errors.request import HostUnknown

TITLE = "Slipway"
_PROBLEM = {"$ref": "#/components/schemas/Problem"}
_FRAMEWORKS_OWN = {"$ref": "#/components/schemas/HTTPValidationError"}
_ABOUT = """A GitHub tag becomes a Docker image, durably: what was accepted is built, whatever dies meanwhile.

Every refusal is `application/problem+json` with a stable `code`. `X-Correlation-ID` is taken or made up and echoed.
`Idempotency-Key` on a POST makes its repeats get the first answer for 24 hours. GETs bear an ETag."""
_SECTIONS = [
    {"name": "Images", "description": "Order images, which starts builds, and read them and their logs."},
    {"name": "Operations", "description": "Health, readiness and figures."},
]


def describe(app: FastAPI) -> None:
    """Make `app` describe itself in full; the description is made once."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = get_openapi(title=TITLE, version=VERSION, description=_ABOUT, routes=app.routes, tags=_SECTIONS)
            app.openapi_schema = _with_problems(schema)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way


def _with_problems(schema: dict[str, Any]) -> dict[str, Any]:
    """Give problems their media type, and 422 our shape: FastAPI knows only its own."""
    operations = [operation for path in schema["paths"].values() for operation in path.values()]
    for answer in [answer for operation in operations for answer in operation["responses"].values()]:
        shapes = [content.get("schema") for content in answer.get("content", {}).values()]
        if _PROBLEM in shapes or _FRAMEWORKS_OWN in shapes:
            answer["content"] = {PROBLEM_JSON: {"schema": _PROBLEM}}
    for operation in [each for path, methods in schema["paths"].items() if is_probe(path) for each in methods.values()]:
        operation["responses"].pop(str(HostUnknown.status))
    for name in ("HTTPValidationError", "ValidationError"):
        schema["components"]["schemas"].pop(name, None)
    return schema


EVERY_ANSWER: dict[int | str, dict[str, Any]] = {
    500: {"model": Problem, "description": "`internal_error`: a defect; the log says more under the correlation id"},
    **answers(HostUnknown),
}
