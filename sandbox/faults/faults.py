"""What may go wrong on purpose: faults are ordered over HTTP and used up by the requests they match."""

import re
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

RouteKind = Literal["repository", "ref", "references", "tags", "commits", "tarball", "codeload"]

_ROUTES: tuple[tuple[RouteKind, re.Pattern[str]], ...] = (
    ("repository", re.compile(r"/repos/([^/]+/[^/]+)/?")),
    ("ref", re.compile(r"/repos/([^/]+/[^/]+)/git/(?:ref|tags)/.+")),
    ("references", re.compile(r"/repos/([^/]+/[^/]+)/git/matching-refs/.+")),
    ("tags", re.compile(r"/repos/([^/]+/[^/]+)/tags/?")),
    ("commits", re.compile(r"/repos/([^/]+/[^/]+)/commits/.+")),
    ("tarball", re.compile(r"/repos/([^/]+/[^/]+)/tarball/.+")),
    ("codeload", re.compile(r"/codeload/([^/]+/[^/]+)/legacy\.tar\.gz/.+")),
)


class FaultOrder(BaseModel):
    """One fault. It does one thing; `delay_seconds` goes with everything, `tarball` with what happens to bytes."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"route": "tags", "status": 503, "times": 2},
                {"route": "tarball", "repo": "demo/hello", "cut_off_after_bytes": 200, "times": 1},
                {"route": "ref", "rate_limit": "primary", "retry_after_seconds": 90},
                {"route": "tarball", "tarball": "bomb.tar.gz"},
            ]
        },
    )

    route: RouteKind | Literal["all"] = Field(
        default="all",
        description="which requests: `ref` resolves a tag (reference and tag objects), `references` lists them all; "
        "`tarball` is the API's answer, or, for what happens to bytes, the download it leads to; "
        "`codeload` is always that download",
    )
    repo: str | None = Field(default=None, description="only requests for this owner/name")
    times: int | None = Field(default=None, ge=1, description="how many requests it meets; unset: until cleared")
    delay_seconds: float = Field(default=0, ge=0, le=3600, description="wait before anything is answered")
    status: int | None = Field(default=None, ge=400, le=599, description="answer with this status")
    rate_limit: Literal["primary", "secondary"] | None = Field(
        default=None, description="answer that the rate limit is used up: 403 with a reset, or 429 with Retry-After"
    )
    retry_after_seconds: int = Field(default=60, ge=0, description="when the rate limit is free again")
    stall_after_bytes: int | None = Field(default=None, ge=0, description="fall silent after so many bytes of the body")
    cut_off_after_bytes: int | None = Field(
        default=None, ge=0, description="declare the whole length, close after so many bytes of the body"
    )
    corrupt: bool = Field(default=False, description="flip some bytes in the middle of the body; its length stays")
    tarball: str | None = Field(
        default=None,
        description="send this file as the tarball: the name of an upload, or a path below the folder around the root",
    )

    @property
    def concerns_bytes(self) -> bool:
        return self.corrupt or any(
            each is not None for each in (self.stall_after_bytes, self.cut_off_after_bytes, self.tarball)
        )

    @model_validator(mode="after")
    def _does_one_thing(self) -> Self:
        answers = (self.status, self.rate_limit, self.stall_after_bytes, self.cut_off_after_bytes, self.corrupt or None)
        wanted = sum(each is not None for each in answers)
        if wanted > 1 or (self.tarball is not None and (self.status is not None or self.rate_limit is not None)):
            raise ValueError("a fault does one thing; order a second fault for the other")
        if wanted == 0 and not self.delay_seconds and self.tarball is None:
            raise ValueError("say what the fault does: delay_seconds, status, rate_limit, …")
        if self.tarball is not None and self.route not in {"tarball", "codeload"}:
            raise ValueError("a file can stand in for the tarball only: route tarball or codeload")
        return self


@dataclass
class Fault:
    id: int
    order: FaultOrder
    tarball: Path | None = None  # the file that the order names
    used: int = field(default=0)

    def meets(self, kind: RouteKind, repo: str) -> bool:
        if self.order.times is not None and self.used >= self.order.times:
            return False
        if self.order.repo is not None and self.order.repo.lower() != repo.lower():
            return False
        if self.order.concerns_bytes and kind == "tarball":  # a redirect has no bytes to speak of
            return False
        if self.order.concerns_bytes and self.order.route == "tarball":
            return kind == "codeload"
        return self.order.route in {"all", kind}


class FaultBoard:
    """The faults in force, the oldest first; a request meets at most one."""

    def __init__(self) -> None:
        self._ids = count(1)
        self.faults: list[Fault] = []

    def add(self, order: FaultOrder, tarball: Path | None) -> Fault:
        fault = Fault(next(self._ids), order, tarball)
        self.faults.append(fault)
        return fault

    def clear(self) -> None:
        self.faults.clear()

    def take(self, path: str) -> Fault | None:
        """Return the fault that this request meets, counted as used."""
        route = route_of(path)
        if route is None:
            return None
        for fault in self.faults:
            if fault.meets(*route):
                fault.used += 1
                return fault
        return None


def route_of(path: str) -> tuple[RouteKind, str] | None:
    """Return the kind of route and owner/name; None for what is no part of GitHub's API."""
    for kind, pattern in _ROUTES:
        if match := pattern.fullmatch(path):
            return kind, match[1]
    return None
