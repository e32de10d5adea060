"""What a caller of the HTTP API does wrong, or finds in the way."""

from datetime import timedelta

from models.rules.errors.domain import DomainError


class RequestInvalid(DomainError):
    code, status = "request_invalid", 422

    def __init__(self, detail: str, *, field: str | None = None, retry_after: timedelta | None = None) -> None:
        """`field` is the name of the value that is wrong, as the caller spells it."""
        super().__init__(detail, retry_after=retry_after)
        self.field = field


class ImageNotFound(DomainError):
    code, status = "image_not_found", 404


class BuildNotFound(DomainError):
    code, status = "build_not_found", 404


class ImageExists(DomainError):
    """The name:tag has an image that is not failed: the members name it, Location leads to it."""

    code, status = "image_exists", 409


class ImageInUse(DomainError):
    """It is pending or building, or a product uses it, which the members name."""

    code, status = "image_in_use", 409


class BuildStateConflict(DomainError):
    code, status = "build_state_conflict", 409


class RangeNotSatisfiable(DomainError):
    """The log has no byte in that range; Content-Range says how many it has."""

    code, status = "range_not_satisfiable", 416


class LogNotFound(DomainError):
    code, status = "log_not_found", 404


class CrossOriginWrite(DomainError):
    code, status = "cross_origin_write", 403


class HostUnknown(DomainError):
    """The request was sent to a name that is neither the loopback's nor one that SLIPWAY_ALLOWED_HOSTS names."""

    code, status = "host_unknown", 421


class IdempotencyKeyReused(DomainError):
    code, status = "idempotency_key_reused", 422


class BodyTooLarge(DomainError):
    code, status = "body_too_large", 413


class MediaTypeUnsupported(DomainError):
    """The body's Content-Type is not that of JSON."""

    code, status = "media_type_unsupported", 415


class ContentEncodingUnsupported(DomainError):
    """The body is compressed."""

    code, status = "content_encoding_unsupported", 415


class PreconditionFailed(DomainError):
    """What `If-Match` names is not what is there now, or what `If-None-Match` names is."""

    code, status = "precondition_failed", 412


class ServerStopping(DomainError):
    """This process was stopped, and the request took longer than it could wait."""

    code, status, retryable = "server_stopping", 503, True


class QueueFull(DomainError):
    code, status, retryable = "queue_full", 503, True
