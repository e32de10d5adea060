"""Errors that were stored by their code, and are made again."""

from collections.abc import Iterator
from typing import TypeGuard

from models.rules.errors import database, engine, orchestrator, request, source, storage
from models.rules.errors.domain import DomainError
from models.rules.errors.engine import DockerBuildFailed

_FAMILIES = (database, engine, orchestrator, request, source, storage)


class UnknownFailure(DomainError):
    """A defect of ours; the log of the worker says more."""

    code, status = "unknown_failure", 500


def error_named(
    code: str, detail: str, *, failing_step: str | None = None, exit_code: int | None = None
) -> DomainError:
    """Make the error again that was stored as `code` and `detail`; an unknown code is an UnknownFailure."""
    if code == DockerBuildFailed.code:
        return DockerBuildFailed(detail, failing_step=failing_step, exit_code=exit_code)
    kinds = {kind.code: kind for kind in _kinds()}
    return kinds.get(code, UnknownFailure)(detail)


def _kinds() -> Iterator[type[DomainError]]:
    return (kind for family in _FAMILIES for kind in vars(family).values() if _is_error(kind))


def _is_error(thing: object) -> TypeGuard[type[DomainError]]:
    return isinstance(thing, type) and issubclass(thing, DomainError) and thing is not DomainError


OUTAGE_CODES = frozenset(kind.code for kind in _kinds() if kind.is_outage)
