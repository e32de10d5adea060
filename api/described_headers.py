"""Which headers answers bear, for the OpenAPI description."""

from http import HTTPStatus
from typing import Any

from api.border.correlation import HEADER as CORRELATION_HEADER
from api.border.idempotency import REPLAYED

Json = dict[str, Any]

_SECONDS = {"type": "integer", "minimum": 1}
HEADERS: Json = {
    CORRELATION_HEADER: {
        "description": "joins this request's log lines; the request's own, or made up",
        "schema": {"type": "string"},
        "required": True,
    },
    "ETag": {
        "description": "names these very bytes; send it as `If-None-Match` to get 304 while nothing has changed",
        "schema": {"type": "string"},
        "required": True,
    },
    "Accept-Ranges": {
        "description": "`bytes`: a range may be asked for; absent where the answer is compressed",
        "schema": {"type": "string", "enum": ["bytes"]},
    },
    "Content-Range": {
        "description": "which bytes these are, and how many there are: `bytes 4096-8191/20000`, or `bytes */20000`",
        "schema": {"type": "string", "pattern": r"^bytes ([0-9]+-[0-9]+|\*)/[0-9]+$"},
        "required": True,
    },
    "Vary": {"description": "what else the answer depends on", "schema": {"type": "string"}},
    "Link": {
        "description": 'the next page of the same list, while there is one: `</api/v1/images?…>; rel="next"`',
        "schema": {"type": "string"},
    },
    "Location": {
        "description": "where the image is found that was made, or that is in the way",
        "schema": {"type": "string"},
        "required": True,
    },
    "Retry-After": {"description": "seconds after which a repeat may help", "schema": _SECONDS, "required": True},
    REPLAYED: {
        "description": "this is the first answer to this `Idempotency-Key`, once more",
        "schema": {"type": "string", "enum": ["true"]},
    },
}
_WAIT = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}
_JSON = "application/json"


def headers_of(method: str, status: int, answer: Json) -> Json:
    """Return references to what an answer of this status bears, as far as that is a rule for all paths."""
    names = [CORRELATION_HEADER]
    is_ok = status < HTTPStatus.MULTIPLE_CHOICES
    if method == "get" and (status == HTTPStatus.NOT_MODIFIED or (is_ok and _JSON in answer.get("content", {}))):
        names.append("ETag")
    if (method == "post" and is_ok) or status == HTTPStatus.CONFLICT:
        names.append("Location")
    if method == "post" and status < HTTPStatus.INTERNAL_SERVER_ERROR:
        names.append(REPLAYED)
    if status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        names.append("Content-Range")
    if status in _WAIT:
        names.append("Retry-After")
    return {name: reference for each in names for name, reference in header(each).items()}


def header(name: str) -> Json:
    return {name: {"$ref": f"#/components/headers/{name}"}}
