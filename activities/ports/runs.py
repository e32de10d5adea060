"""Temporal, as delivery and repairs need it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

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


class RunEnd(StrEnum):
    TERMINATED = "terminated"  # an operator ended it, or reset it into another run
    CANCELLED = "cancelled"
    OTHERWISE = "otherwise"  # it completed, failed or ran out of time


@dataclass(frozen=True)
class RunState:
    """How a run stands; `end` is None while it is open."""

    run_id: str
    end: RunEnd | None


MOST_ASKED = 100


class RunStates(Protocol):
    """Temporal, as repairs and those need it who are told to end."""

    async def state(self, workflow_id: str, run_id: str | None = None) -> RunState | None:
        """Return how a run stands now, or the newest of its workflow; None when Temporal knows none of it.

        Raises OrchestratorUnreachable.
        """
        ...

    async def open_among(self, workflow_ids: Collection[str]) -> set[str]:
        """Return which of these, MOST_ASKED at most, have an open run; what happened a second ago may not show yet.

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
