"""Temporal, as delivery and repairs need it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from models.rules.build_payloads import Payload
from models.rules.run_contract import SearchAttribute


@dataclass(frozen=True)
class RunAddress:
    """Where a workflow is found, and what it is started with when there is no run of it."""

    workflow_type: str
    workflow_id: str
    queue: str
    order: Payload  # the argument of its run
    attributes: Mapping[SearchAttribute, str | int]
    summary: str  # one line for people, in Temporal's UI
    priority: int = 3  # 1 first … 5 last
    fairness_key: str = ""  # who shares the workers fairly with whom
    correlation_id: str = ""


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


class Runs(Protocol):
    """Temporal, as delivery needs it. Both calls are idempotent and bounded in time."""

    async def poke(self, run: RunAddress) -> None:
        """Wake the open run, or start one. Raises OrchestratorUnreachable."""
        ...

    async def cancel(self, run: RunAddress) -> bool:
        """Ask the open run to cancel itself; False when there is none. Raises OrchestratorUnreachable."""
        ...
