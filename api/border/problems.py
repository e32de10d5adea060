"""The one mapper from errors to HTTP: every refusal is a problem body (RFC 9457) without a stack trace or a secret."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from http import HTTPStatus
from typing import Any
from uuid import UUID

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Scope

from api.border.invalid_values import sentence_about
from api.paths import image_path
from models.rules.build_lifecycle import ImageStatus
from models.rules.errors.domain import DomainError, InTheWay
from models.rules.errors.request import BodyTooLarge, RequestInvalid
from models.rules.redaction import Redaction

PROBLEM_JSON = "application/problem+json"
_RETRY_AFTER_SECONDS = 2
_TRANSIENT = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}
_WITHOUT_BODY = {"GET", "HEAD"}
_MOST_PARTS = 20
_LONGEST_WORD = 100


class ProblemPart(BaseModel):
    """What is wrong with one value of the request."""

    loc: list[str | int] = Field(description="where it stands: body, query or path, then names and places; or request")
    msg: str = Field(description="one sentence that names the value and what it must be")


_EXAMPLE: JsonDict = {
    "type": "urn:slipway:problem:image_exists",
    "title": "Image exists",
    "status": 409,
    "detail": "hello:v1.0.0 is image 7, which is building.",
    "code": "image_exists",
    "correlation_id": "9f0c6a3be2c94d0fa7d1c5b8e4f20a17",
    "image_id": 7,
    "build_id": "01a1fe26-7c4d-72f1-a234-0f9edc927c1c",
    "build_status": "building",
}


class Problem(BaseModel):
    """Why a request was refused or failed."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    type: str = Field(description="a name of this kind of problem, no address")
    title: str
    status: int
    detail: str = Field(description="one plain sentence that says what to do next")
    code: str = Field(description="stable word for programs")
    correlation_id: str = Field(description="finds this request in the logs")
    errors: list[ProblemPart] | None = Field(default=None, description="only with 422")
    image_id: int | None = Field(default=None, description="only with 409: the image that is in the way, as Location")
    build_id: UUID | None = Field(default=None, description="its newest build")
    build_status: ImageStatus | None = Field(default=None, description="how far that is")
    product_id: int | None = Field(default=None, description="the product that uses it, when that is in the way")
    product_slug: str | None = None


def correlation_id_of(scope: Scope) -> str:
    return str(scope.get("state", {}).get("correlation_id", ""))


def problem_body(
    scope: Scope,
    status: int,
    code: str,
    detail: str,
    errors: Sequence[ProblemPart] | None = None,
    *,
    in_the_way: InTheWay | None = None,
) -> bytes:
    problem = Problem(
        type=f"urn:slipway:problem:{code}",
        title=code.replace("_", " ").capitalize(),
        status=status,
        detail=detail,
        code=code,
        correlation_id=correlation_id_of(scope),
        errors=list(errors) if errors else None,
        **(asdict(in_the_way) if in_the_way is not None else {}),
    )
    return problem.model_dump_json(exclude_none=True).encode()


def error_body(scope: Scope, error: DomainError) -> bytes:
    is_invalid = error.status == RequestInvalid.status
    errors = [ProblemPart(loc=_place_of(scope, error), msg=error.detail)] if is_invalid else None
    return problem_body(scope, error.status, error.code, error.detail, errors, in_the_way=error.in_the_way)


def location_of(error: DomainError) -> str | None:
    """Return where that is found which is in the way, None when nothing is."""
    image_id = error.in_the_way.image_id if error.in_the_way is not None else None
    return image_path(image_id) if image_id is not None else None


def _place_of(scope: Scope, error: DomainError) -> list[str | int]:
    field = error.field if isinstance(error, RequestInvalid) else None
    if field is None:
        return ["request"]
    return ["query" if scope["method"] in _WITHOUT_BODY else "body", field]


def error_response(scope: Scope, error: DomainError) -> Response:
    return Response(error_body(scope, error), error.status, _headers(error), PROBLEM_JSON)


def internal_error_response(scope: Scope) -> Response:
    """Answer for a defect: what happened stands in the log only."""
    detail = (
        "Something went wrong inside Slipway; nothing that was answered before is lost. Look for correlation id"
        f" {correlation_id_of(scope)} in the API's log."
    )
    status = HTTPStatus.INTERNAL_SERVER_ERROR
    return Response(problem_body(scope, status, "internal_error", detail), status, media_type=PROBLEM_JSON)


def install_problem_handlers(app: FastAPI, redaction: Redaction) -> None:
    """Map every error that a handler or a dependency raises; what others said may stand in it."""

    async def domain_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, DomainError)
        return error_response(request.scope, redaction.error(error))

    async def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return _invalid_response(request, error)

    async def http_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return _http_response(request.scope, error)

    app.add_exception_handler(DomainError, domain_error)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http_error)


def invalid_body_response(request: Request, error: RequestValidationError | HTTPException) -> Response | None:
    """Answer for a body that is wrong, and nothing but the body; None for any other error."""
    if isinstance(error, HTTPException):
        return _unreadable_response(request.scope, error) if error.status_code == HTTPStatus.BAD_REQUEST else None
    is_of_body = all(each["loc"][0] == "body" for each in error.errors())
    return _invalid_response(request, error) if is_of_body else None


def _unreadable_response(scope: Scope, error: HTTPException) -> Response:
    """Answer for a body that FastAPI cannot read at all, for which it raises 400."""
    status = RequestInvalid.status
    match error.__cause__:
        case RecursionError():
            detail = "The body is JSON nested too deeply; no request here needs more than a few levels."
        case ValueError() as cause if not isinstance(cause, UnicodeDecodeError):
            detail = "The body holds a number of too many digits; send it shorter."
        case _:
            detail = "The body is not JSON in UTF-8."
    errors = [ProblemPart(loc=["body"], msg=detail)]
    return Response(problem_body(scope, status, RequestInvalid.code, detail, errors), status, media_type=PROBLEM_JSON)


def _headers(error: DomainError) -> dict[str, str]:
    location = location_of(error)
    if location is not None:
        return {"Location": location}
    if error.retry_after is None and error.status not in _TRANSIENT:
        return {}
    seconds = _RETRY_AFTER_SECONDS if error.retry_after is None else error.retry_after.total_seconds()
    return {"Retry-After": str(max(1, math.ceil(seconds)))}


def _invalid_response(request: Request, error: RequestValidationError) -> Response:
    found = error.errors()
    # messages only: inputs may hold secrets
    parts = [ProblemPart(loc=_place(each), msg=sentence_about(each)) for each in found[:_MOST_PARTS]]
    detail = parts[0].msg
    if len(found) > 1:
        detail += f" {len(found)} values are wrong: see errors."
    status = RequestInvalid.status
    return Response(
        problem_body(request.scope, status, RequestInvalid.code, detail, parts), status, media_type=PROBLEM_JSON
    )


def _place(error: Mapping[str, Any]) -> list[str | int]:
    return [word if isinstance(word, int) else str(word)[:_LONGEST_WORD] for word in error["loc"]]


def _http_response(scope: Scope, error: HTTPException) -> Response:
    """Say what the framework itself refused."""
    status, headers = error.status_code, dict(error.headers or {})
    if status == HTTPStatus.BAD_REQUEST:
        return _unreadable_response(scope, error)
    if status == HTTPStatus.NOT_FOUND:
        code, detail = "not_found", "There is nothing at this path; /docs shows every path there is."
    elif status == HTTPStatus.METHOD_NOT_ALLOWED:
        return method_refusal(scope, set(headers.get("Allow", "").split(", ")))  # in any order
    elif status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        code, detail = BodyTooLarge.code, error.detail
    else:
        code, detail = f"http_{status}", error.detail
    return Response(problem_body(scope, status, code, detail), status, headers, PROBLEM_JSON)


def method_refusal(scope: Scope, methods: set[str]) -> Response:
    """Answer for a method that the path does not take; `methods` are those it takes."""
    allowed, status = ", ".join(sorted(methods)), HTTPStatus.METHOD_NOT_ALLOWED
    detail = f"This path takes no {scope['method'][:20]}; it takes {allowed}."
    body = problem_body(scope, status, "method_not_allowed", detail)
    return Response(body, status, {"Allow": allowed}, PROBLEM_JSON)


def answers(*errors: type[DomainError]) -> dict[int | str, dict[str, Any]]:
    """Describe, for OpenAPI, which errors a path may answer with."""
    described: dict[int | str, dict[str, Any]] = {}
    for error in errors:
        entry = described.setdefault(error.status, {"model": Problem, "description": ""})
        words = [entry["description"], f"`{error.code}`" + (f": {error.__doc__}" if error.__doc__ else "")]
        entry["description"] = "; ".join(word.strip().rstrip(".") for word in words if word)
    return described
