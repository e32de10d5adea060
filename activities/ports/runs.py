"""Temporal, as delivery and repairs need it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID


@dataclass(frozen=True)
class RunAddress:
    """Where a build's workflow is found, and what its run needs to know from the start."""

    build_id: UUID
    generation: int
    workflow_id: str
    kind: str
    image: str
    third_party_id: str | None
    priority: int
    fairness_key: str
    correlation_id: str


@dataclass(frozen=True)
class ClosedRun:
    """A run that closed while its build was under way, as far as its search attributes tell."""

    build_id: UUID
    run_id: str
    is_terminated: bool  # an operator ended it; else it failed or ran out of time


class RunHistory(Protocol):
    """Temporal, as repairs need it."""

    async def closed_unfinished(self, since: datetime) -> list[ClosedRun]:
        """Return runs that closed after `since` with their build still pending or running, at most some hundreds.

        Raises OrchestratorUnreachable.
        """
        ...


class BuildRuns(Protocol):
    """Temporal, as delivery needs it. Both calls are idempotent and bounded in time."""

    async def poke(self, run: RunAddress) -> None:
        """Wake the open run, or start one. Raises OrchestratorUnreachable."""
        ...

    async def cancel(self, run: RunAddress) -> bool:
        """Ask the open run to cancel itself; False when there is none. Raises OrchestratorUnreachable."""
        ...
