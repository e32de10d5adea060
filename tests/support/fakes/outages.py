"""Outages in memory, without a clock: they are borne for as many tries as the patience has seconds."""

from collections import Counter
from datetime import timedelta
from uuid import UUID

from models.rules.build_payloads import Checkpoint
from models.rules.errors.domain import DomainError


class FakeOutages:
    """Implements activities.outages.Outages."""

    def __init__(self, patience: timedelta = timedelta(minutes=30)) -> None:
        self._patience = patience
        self._tries: Counter[tuple[UUID, int]] = Counter()
        self.met: list[str] = []

    async def fail_try(self, build: Checkpoint, error: DomainError) -> timedelta | None:
        waited = timedelta(seconds=await self.tries(build))
        self._tries[build.build_id, build.code] += 1
        self.met.append(error.detail)
        return (error.retry_after or timedelta(seconds=0.1)) if waited < self._patience else None

    async def tries(self, build: Checkpoint) -> int:
        return self._tries[build.build_id, build.code]
