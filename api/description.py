"""The OpenAPI description: what no single handler can say of itself."""

from collections.abc import Callable, Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from api.border.problems import PROBLEM_JSON, Problem, answers
from api.border.visitors.rules import is_probe
from api.described_headers import HEADERS, headers_of
from api.images.parameters import MAY_BE_EMPTY
from api.images.schemas import ImageAnswer, ImageRequest
from api.logs.events import BeganAttempt, EndedBuild, WrittenBytes, WrittenText
from api.version import VERSION
from models.rules.errors.request import HostUnknown

Json = dict[str, Any]

TITLE = "Slipway"
_SCHEMAS = "#/components/schemas/{model}"
_PROBLEM = {"$ref": _SCHEMAS.format(model=Problem.__name__)}
_FRAMEWORKS_OWN = {"$ref": "#/components/schemas/HTTPValidationError"}
_NULL = {"type": "null"}
# FastAPI drops the null values of examples, without which these would not be what they are examples of
_WITH_EXAMPLES: tuple[type[BaseModel], ...] = (ImageRequest, ImageAnswer, Problem)
_EVENTS: tuple[type[BaseModel], ...] = (WrittenText, WrittenBytes, BeganAttempt, EndedBuild)
_ABOUT = """A GitHub tag becomes a Docker image, durably: what was accepted is built, whatever dies meanwhile.

Every refusal is `application/problem+json` with a stable `code`. `X-Correlation-ID` is taken or made up and echoed.
`Idempotency-Key` on a POST makes its repeats get the first answer for 24 hours. GETs bear an ETag:
`If-None-Match` holds on them, `If-Match` on what changes or deletes. What is no proper HTTP/1.1 is answered, at any
path, by a problem of 400, 408 (it did not come to its end), 431, 501 or 505."""
_SECTIONS = [
    {"name": "Images", "description": "Order images, which starts builds, and read them and their logs."},
    {"name": "Operations", "description": "Health, readiness and figures."},
]


def describe(app: FastAPI) -> None:
    """Make `app` describe itself in full; the description is made once."""

    def openapi() -> Json:
        if app.openapi_schema is None:
            schema = get_openapi(title=TITLE, version=VERSION, description=_ABOUT, routes=app.routes, tags=_SECTIONS)
            for complete in _COMPLETIONS:
                complete(schema)
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way


def _operations(schema: Json) -> Iterator[tuple[str, Json]]:
    """Yield method and description of each."""
    for path in schema["paths"].values():
        yield from path.items()


def _name_problems(schema: Json) -> None:
    """Give problems their media type, and 422 our shape: FastAPI knows only its own."""
    for answer in [answer for _, operation in _operations(schema) for answer in operation["responses"].values()]:
        shapes = [content.get("schema") for content in answer.get("content", {}).values()]
        if _PROBLEM in shapes or _FRAMEWORKS_OWN in shapes:
            answer["content"] = {PROBLEM_JSON: {"schema": _PROBLEM}}
    for name in ("HTTPValidationError", "ValidationError"):
        schema["components"]["schemas"].pop(name, None)


def _leave_probes_open(schema: Json) -> None:
    """Take from those paths that answer any Host the refusal of a foreign one."""
    for operation in [each for path, methods in schema["paths"].items() if is_probe(path) for each in methods.values()]:
        operation["responses"].pop(str(HostUnknown.status))


def _describe_headers(schema: Json) -> None:
    schema["components"]["headers"] = HEADERS
    for method, operation in _operations(schema):
        for status, answer in operation["responses"].items():
            answer["headers"] = headers_of(method, int(status), answer) | answer.get("headers", {})


def _describe_events(schema: Json) -> None:
    """Add the data of server-sent events, which no answer's schema names: their stream is text."""
    _, found = models_json_schema([(event, "serialization") for event in _EVENTS], ref_template=_SCHEMAS)
    schema["components"]["schemas"] |= found["$defs"]


def _restore_examples(schema: Json) -> None:
    for model in _WITH_EXAMPLES:
        schema["components"]["schemas"][model.__name__]["examples"] = model.model_json_schema()["examples"]


def _leave_out_null(schema: Json) -> None:
    """Say of what is left out when there is nothing that it may be absent, not that it may be null.

    No query can hold a null, and no problem does.
    """
    parameters = [each for _, operation in _operations(schema) for each in operation.get("parameters", ())]
    for parameter in parameters:
        parameter["schema"] = _not_null(parameter["schema"])
        if all(parameter["schema"].pop(word, False) for word in MAY_BE_EMPTY):
            parameter["allowEmptyValue"] = True
    properties = schema["components"]["schemas"][Problem.__name__]["properties"]
    for name, each in properties.items():
        properties[name] = _not_null(each)


def _not_null(schema: Json) -> Json:
    shapes = [shape for shape in schema.get("anyOf", ()) if shape != _NULL]
    if len(shapes) != 1:
        return schema
    return {name: value for name, value in schema.items() if name != "anyOf"} | dict(shapes[0])


_COMPLETIONS: tuple[Callable[[Json], None], ...] = (
    _name_problems,
    _leave_probes_open,
    _describe_headers,
    _describe_events,
    _restore_examples,
    _leave_out_null,
)
EVERY_ANSWER: dict[int | str, dict[str, Any]] = {
    500: {"model": Problem, "description": "`internal_error`: a defect; the log says more under the correlation id"},
    **answers(HostUnknown),
}
