"""What GitHub's answers mean: the shapes that are read from its JSON, and the errors that its refusals stand for."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Annotated

from pydantic import BaseModel, Field, TypeAdapter, ValidationError, ValidatorFunctionWrapHandler, WrapValidator

from models.rules.errors.domain import DomainError
from models.rules.errors.source import SourceHostDenied, SourceHostRateLimited, SourceHostUnreachable
from models.rules.redaction import Redaction

SHA = r"^[0-9a-f]{40}\z"  # shas become parts of URLs and of file names

# GitHub asks for a minute of patience where it names no other time (REST guide, rate limits)
_PATIENCE = timedelta(minutes=1)
_LONGEST_PATIENCE = timedelta(hours=2)
_LONGEST_MESSAGE = 200

Sha = Annotated[str, Field(pattern=SHA)]


class Target(BaseModel):
    type: str
    sha: Sha


class Reference(BaseModel):
    """A git reference, or an annotated tag: both name an object."""

    object: Target


class NamedReference(Reference):
    ref: str


class CommitLink(BaseModel):
    sha: Sha
    url: str


class Tag(BaseModel):
    name: str
    commit: CommitLink
    zipball_url: str
    tarball_url: str


def _in_calendar(value: object, read: ValidatorFunctionWrapHandler) -> datetime | None:
    """Return the moment in UTC, None for one that no calendar has: git keeps whatever a committer's clock told."""
    try:
        moment: datetime | None = read(value)
        if moment is None or moment.tzinfo is None:
            return moment and moment.replace(tzinfo=UTC)
        return moment.astimezone(UTC)
    except (ValidationError, OverflowError):  # the latter in the year 9999 of a zone behind UTC
        return None


class Signature(BaseModel):
    name: str | None = None
    date: Annotated[datetime | None, WrapValidator(_in_calendar)]


class CommitText(BaseModel):
    author: Signature | None
    committer: Signature
    message: str


class Commit(BaseModel):
    sha: Sha
    commit: CommitText


class _Complaint(BaseModel):
    message: str = ""


REFERENCE = TypeAdapter(Reference)
REFERENCES = TypeAdapter(list[NamedReference])
TAGS = TypeAdapter(list[Tag])
COMMIT = TypeAdapter(Commit)
_COMPLAINT = TypeAdapter(_Complaint)


def complaint_in(body: bytes, redaction: Redaction) -> str:
    """Return what a refusal's body says, as one short line; an empty text when it says nothing readable."""
    try:
        message = _COMPLAINT.validate_json(body).message
    except ValidationError:
        return ""
    line = " ".join("".join(each if each.isprintable() else " " for each in message).split())
    return redaction.text(line, _LONGEST_MESSAGE)


def refusal(host: str, status: int, headers: Mapping[str, str], complaint: str, wanted: str) -> DomainError:
    """Return the error that an answer other than 200 and "not there" stands for; `headers` in any case.

    `wanted` says what was asked for, `complaint` what GitHub said, both for people.
    """
    said = f' GitHub says: "{complaint}".' if complaint else ""
    if _is_rate_limit(status, headers, complaint):
        wait = _wait(headers)
        return SourceHostRateLimited(
            f"GitHub's rate limit at {host} is used up; it takes requests again in {wait.total_seconds():.0f} s. "
            f"A token in GITHUB_TOKEN has a limit of its own.{said}",
            retry_after=wait,
        )
    if status == HTTPStatus.UNAUTHORIZED:
        return SourceHostDenied(f"{host} refused the token in GITHUB_TOKEN; put a valid one there, or none.{said}")
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.REQUEST_TIMEOUT:
        return SourceHostUnreachable(
            f"{host} answered {status} when asked for {wanted}; try again when GitHub has recovered.{said}"
        )
    return SourceHostDenied(
        f"{host} answered {status} when asked for {wanted}; check GITHUB_API_URL and what the token may read.{said}"
    )


def _is_rate_limit(status: int, headers: Mapping[str, str], complaint: str) -> bool:
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return True
    is_told = headers.get("x-ratelimit-remaining") == "0" or "retry-after" in headers
    # the secondary limit may come with no header at all
    return status == HTTPStatus.FORBIDDEN and (is_told or "rate limit" in complaint.lower())


def _wait(headers: Mapping[str, str]) -> timedelta:
    """Return how long to leave GitHub alone: at least a second, at most two of its hourly windows."""
    seconds = _number(headers.get("retry-after"))
    if seconds is None and headers.get("x-ratelimit-remaining") == "0":
        reset = _number(headers.get("x-ratelimit-reset"))
        seconds = None if reset is None else reset - int(time.time())
    wait = _PATIENCE if seconds is None else timedelta(seconds=min(max(1, seconds), _LONGEST_PATIENCE.total_seconds()))
    return min(wait, _LONGEST_PATIENCE)


def _number(text: str | None) -> int | None:
    return int(text[:15]) if text and text.isascii() and text.isdecimal() else None
