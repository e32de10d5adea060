"""What the object store answers, or does not."""

from models.rules.errors.domain import DomainError


class StorageUnreachable(DomainError):
    """The object store does not answer, or not in time."""

    code, status, retryable, is_outage = "storage_unreachable", 503, True, True


class StorageRefused(DomainError):
    """The object store answers that its settings, or our rights there, are wrong."""

    code, status = "storage_refused", 502
