"""Who asks. Credentials, scopes and rate limits will be read here, and only here."""

from dataclasses import dataclass

from fastapi import Request


@dataclass(frozen=True)
class Caller:
    """Whoever asks, as it stands in events and beside idempotency keys."""

    name: str


def caller(_request: Request) -> Caller:
    """Say who asks. No credentials are known yet, so everybody is anonymous."""
    return Caller("anonymous")
