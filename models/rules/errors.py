"""The one family of errors: what the service knows how to say. Anything else is a defect and stays loud."""

from datetime import timedelta
from typing import ClassVar

_LONGEST_DETAIL = 2000


class DomainError(Exception):
    code: ClassVar[str]  # snake_case; part of the API and of Temporal's failure type, never renamed
    status: ClassVar[int]  # what an HTTP caller sees
    retryable: ClassVar[bool] = False  # True: the same call may succeed later by itself

    def __init__(self, detail: str, *, retry_after: timedelta | None = None) -> None:
        """`detail` is one sentence that says what to do next, without a secret; `retry_after` is known to few."""
        super().__init__(detail[:_LONGEST_DETAIL])
        self.detail = detail[:_LONGEST_DETAIL]
        self.retry_after = retry_after


class RequestInvalid(DomainError):
    code, status = "request_invalid", 422

    def __init__(self, detail: str, *, field: str | None = None, retry_after: timedelta | None = None) -> None:
        """`field` is the name of the value that is wrong, as the caller spells it."""
        super().__init__(detail, retry_after=retry_after)
        self.field = field


class ImageNotFound(DomainError):
    code, status = "image_not_found", 404


class ImageExists(DomainError):
    code, status = "image_exists", 409


class ImageInUse(DomainError):
    code, status = "image_in_use", 409


class BuildStateConflict(DomainError):
    code, status = "build_state_conflict", 409


class LogNotFound(DomainError):
    code, status = "log_not_found", 404


class CrossOriginWrite(DomainError):
    code, status = "cross_origin_write", 403


class IdempotencyKeyReused(DomainError):
    code, status = "idempotency_key_reused", 422


class BodyTooLarge(DomainError):
    code, status = "body_too_large", 413


class QueueFull(DomainError):
    code, status, retryable = "queue_full", 503, True


class DatabaseUnreachable(DomainError):
    code, status, retryable = "database_unreachable", 503, True


class DatabaseBusy(DomainError):
    """Postgres gave up on a statement: a deadlock, or its time was over. Nothing was changed."""

    code, status, retryable = "database_busy", 503, True


class PoolExhausted(DomainError):
    code, status, retryable = "pool_exhausted", 503, True


class NameTaken(DomainError):
    """Another live process bears the name that this one was given."""

    code, status = "name_taken", 409


# what passes by itself when Postgres does again
DATABASE_AWAY = (DatabaseUnreachable, DatabaseBusy, PoolExhausted)


class SchemaUnknown(DomainError):
    """The database was migrated by a newer Slipway."""

    code, status = "schema_unknown", 503


class SchemaUnfinished(DomainError):
    """Bringing the database's schema up to date met a defect of ours; it is tried again."""

    code, status, retryable = "schema_unfinished", 503, True


# GitHub


class SourceHostUnreachable(DomainError):
    """GitHub is down, silent, or answers 5xx."""

    code, status, retryable = "source_host_unreachable", 502, True


class SourceHostRateLimited(DomainError):
    code, status, retryable = "source_host_rate_limited", 429, True


class SourceHostDenied(DomainError):
    """GitHub refused our token."""

    code, status = "source_host_denied", 502


class RepositoryNotFound(DomainError):
    code, status = "repository_not_found", 404


class TagNotFound(DomainError):
    code, status = "tag_not_found", 404


class CommitMismatch(DomainError):
    code, status = "commit_mismatch", 409


# source archives


class SourceBroken(DomainError):
    """The download was cut off or is damaged: another try may bring it whole."""

    code, status, retryable = "source_broken", 502, True


class SourceRefused(DomainError):
    """The archive is whole, but holds what no build may unpack, or more than the limits allow."""

    code, status = "source_refused", 422


class DockerfileInvalid(DomainError):
    """The Dockerfile is missing, is no plain file, or lies outside the build's context."""

    code, status = "dockerfile_invalid", 422


class IgnoreFileInvalid(DomainError):
    """The .dockerignore cannot be read as one."""

    code, status = "ignore_file_invalid", 422


# engine


class EngineUnreachable(DomainError):
    """No answer from the Docker engine, or it went away in mid-build."""

    code, status, retryable = "engine_unreachable", 503, True


class EngineRefused(DomainError):
    """The engine answered that it cannot do this."""

    code, status = "engine_refused", 502


class DockerBuildFailed(DomainError):
    """The Dockerfile's own fault: a step failed."""

    code, status = "docker_build_failed", 422

    def __init__(self, detail: str, *, failing_step: str | None = None, exit_code: int | None = None) -> None:
        """`failing_step` as in the log ("Step 5/12 : RUN …"); `exit_code` of that step, when a program ended it."""
        super().__init__(detail)
        self.failing_step = failing_step
        self.exit_code = exit_code


class ForeignImage(DomainError):
    """The engine holds an image under this name that Slipway did not make."""

    code, status = "foreign_image", 409


class NoFreeSlot(DomainError):
    code, status, retryable = "no_free_slot", 503, True


class ExecutionLost(DomainError):
    """This execution is no longer the one that counts: its lease ran out, or a newer one exists."""

    code, status, retryable = "execution_lost", 503, True


class HostDiskFailed(DomainError):
    """The builder host's disk is full or broken."""

    code, status, retryable = "host_disk_failed", 503, True


class ImageGone(DomainError):
    """What an earlier state left is no longer there."""

    code, status = "image_gone", 409


class SourceGone(DomainError):
    """The source archive that an earlier state kept is no longer there, or is not the same."""

    code, status = "source_gone", 409


class UnknownFailure(DomainError):
    """A defect of ours; the log of the worker says more."""

    code, status = "unknown_failure", 500


class BuildCancelled(DomainError):
    """The engine's work was ended because a cancel was wanted."""

    code, status = "build_cancelled", 409


# Temporal


class OrchestratorUnreachable(DomainError):
    code, status, retryable = "orchestrator_unreachable", 503, True


class OrchestratorRefused(DomainError):
    """Temporal took the call and refused it: its settings, or ours, are wrong."""

    code, status = "orchestrator_refused", 502


def error_named(
    code: str, detail: str, *, failing_step: str | None = None, exit_code: int | None = None
) -> DomainError:
    """Make the error again that was stored as `code` and `detail`; an unknown code is an UnknownFailure."""
    if code == DockerBuildFailed.code:
        return DockerBuildFailed(detail, failing_step=failing_step, exit_code=exit_code)
    kinds = {kind.code: kind for kind in DomainError.__subclasses__()}
    return kinds.get(code, UnknownFailure)(detail)
