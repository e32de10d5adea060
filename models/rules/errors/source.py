"""What GitHub answers, and what is wrong with what it sends."""

from models.rules.errors.domain import DomainError


class SourceHostUnreachable(DomainError):
    """GitHub is down, silent, breaks off, or answers 5xx."""

    code, status, retryable, is_outage = "source_host_unreachable", 502, True, True


class SourceHostRateLimited(DomainError):
    code, status, retryable, is_outage = "source_host_rate_limited", 429, True, True


class SourceHostWrong(DomainError):
    """What answers is not GitHub's API: its address is wrong, or a proxy on the way, which may be so for a moment."""

    code, status, retryable = "source_host_wrong", 502, True


class SourceHostDenied(DomainError):
    """GitHub refused our token."""

    code, status = "source_host_denied", 502


class RepositoryNotFound(DomainError):
    code, status = "repository_not_found", 404


class TagNotFound(DomainError):
    code, status = "tag_not_found", 404


class CommitMismatch(DomainError):
    code, status = "commit_mismatch", 409


class SourceBroken(DomainError):
    """What was downloaded is damaged: another try may bring it whole."""

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


class SourceGone(DomainError):
    """The source archive that an earlier state kept is no longer there, or is not the same."""

    code, status = "source_gone", 409
