"""The record of requests that the look-alike answered, for those who test against it."""

from collections import deque
from datetime import UTC, datetime

from pydantic import BaseModel, Field
from starlette.requests import Request

_REQUESTS_KEPT = 1000


class RequestSeen(BaseModel):
    at: datetime
    method: str
    host: str = Field(description="the Host header: tells a redirect's host from the API's")
    path: str
    query: str
    correlation_id: str | None = Field(description="the X-Correlation-ID that came along")
    has_authorization: bool = Field(description="whether an Authorization header came along; its value is not kept")


class RequestLog:
    """The newest requests, the oldest first; what concerns the sandbox's own routes is not kept."""

    def __init__(self) -> None:
        self.requests: deque[RequestSeen] = deque(maxlen=_REQUESTS_KEPT)

    def note(self, request: Request) -> None:
        seen = RequestSeen(
            at=datetime.now(UTC),
            method=request.method,
            host=request.headers.get("host", ""),
            path=request.url.path,
            query=request.url.query,
            correlation_id=request.headers.get("x-correlation-id"),
            has_authorization="authorization" in request.headers,
        )
        self.requests.append(seen)
