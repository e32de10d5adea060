"""What Temporal answers."""

from models.rules.errors.domain import DomainError


class OrchestratorUnreachable(DomainError):
    code, status, retryable = "orchestrator_unreachable", 503, True


class OrchestratorRefused(DomainError):
    """Temporal took the call and refused it: its settings, or ours, are wrong."""

    code, status = "orchestrator_refused", 502
