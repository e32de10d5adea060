"""What a stage's failed try means to Temporal: waited for, tried again a few times, or the end (ADR 0011)."""

from datetime import timedelta
from typing import Protocol

from models.postgres.database import Database
from models.postgres.hints import Hints, build_topic
from models.repositories.queue.waiting import WaitRepository
from models.rules.build_payloads import Checkpoint
from models.rules.errors.domain import DomainError


class Outages(Protocol):
    """What builds met that cannot be reached, and for how long."""

    async def fail_try(self, build: Checkpoint, error: DomainError) -> timedelta | None:
        """Show what the try met, and say when the next one is to be; None: it has waited long enough.

        Raises what DATABASE_AWAY names.
        """
        ...

    async def tries(self, build: Checkpoint) -> int:
        """Return how many tries at the build's present state met an outage. Raises as fail_try."""
        ...


class StoredOutages:
    """Implements Outages: the waits are rows, so that they last longer than any process."""

    def __init__(self, database: Database, hints: Hints, *, patience: timedelta) -> None:
        self._database = database
        self._hints = hints
        self._patience = patience

    async def fail_try(self, build: Checkpoint, error: DomainError) -> timedelta | None:
        async with self._database.transaction() as session:
            next_try_in = await WaitRepository(session).fail_try(
                build.build_id, build.code, error.detail, patience=self._patience, asked_for=error.retry_after
            )
        self._hints.give(build_topic(build.build_id))
        return next_try_in

    async def tries(self, build: Checkpoint) -> int:
        async with self._database.transaction() as session:
            return await WaitRepository(session).tries(build.build_id)
