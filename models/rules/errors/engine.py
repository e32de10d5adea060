"""What the Docker engine answers, and what becomes of an execution on it."""

from models.rules.errors.domain import DomainError


class EngineUnreachable(DomainError):
    """No answer from the Docker engine, or it went away in mid-build."""

    code, status, retryable, is_outage = "engine_unreachable", 503, True, True


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


class SecretUnavailable(DomainError):
    """A build asks for a secret that its builder cannot give it."""

    code, status = "secret_unavailable", 422


class ForeignImage(DomainError):
    """The engine holds an image under this name that Slipway did not make."""

    code, status = "foreign_image", 409


class NoFreeSlot(DomainError):
    code, status, retryable = "no_free_slot", 503, True


class ExecutionLost(DomainError):
    """This execution is no longer the one that counts: its lease ran out, or a newer one exists."""

    code, status, retryable = "execution_lost", 503, True


class HostDiskFailed(DomainError):
    """A host's disk is full or broken: a fault that passes when somebody makes room."""

    code, status, retryable, is_outage = "host_disk_failed", 503, True, True


class ImageGone(DomainError):
    """What an earlier state left is no longer there."""

    code, status = "image_gone", 409


class BuildCancelled(DomainError):
    """The engine's work was ended because a cancel was wanted."""

    code, status = "build_cancelled", 409
