"""Delivery: what a dirty row wants is told to Temporal. Run by the API after its commit, and by the relay.

Order, repeats and several deliverers at once cannot matter: a poke says only "look", a cancel only "end".
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from activities.ports.runs import RunAddress, Runs
from models.postgres.database import Database, Session
from models.repositories.outbox import ClaimedKey, OutboxRepository
from models.rules.errors.orchestrator import OrchestratorRefused
from models.rules.run_contract import Kind, WorkKey

log = logging.getLogger(__name__)

_RETRY_AFTER = timedelta(seconds=1)
_RETRY_REFUSED_AFTER = timedelta(minutes=1)
_BATCH = 50
_AT_ONCE = 8


@dataclass(frozen=True)
class Wanted:
    """What a row wants of its workflow: to be looked at, or to end."""

    run: RunAddress
    is_cancel_wanted: bool  # and not settled yet


# reads the row of one kind by its id; None when it is gone, or when no workflow carries it
ReadWanted = Callable[[Session, str], Awaitable[Wanted | None]]


class Delivery:
    def __init__(self, database: Database, runs: Runs, kinds: Mapping[Kind, ReadWanted]) -> None:
        self._database = database
        self._runs = runs
        self._kinds = kinds

    async def deliver(self, key: WorkKey) -> None:
        """Deliver one row if it is dirty and nobody else delivers it. Raises OrchestratorUnreachable."""
        async with self._database.transaction() as session:
            claimed = await OutboxRepository(session).claim(1, only=key)
        for each in claimed:
            await self._deliver(each)

    async def deliver_some(self) -> int:
        """Deliver what waits; return how many keys were taken.

        Raises OrchestratorUnreachable, after giving back what could not be told.
        """
        async with self._database.transaction() as session:
            claimed = await OutboxRepository(session).claim(_BATCH)
        places = asyncio.Semaphore(_AT_ONCE)

        async def deliver(each: ClaimedKey) -> None:
            async with places:
                await self._deliver(each)

        results = await asyncio.gather(*(deliver(each) for each in claimed), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result
        return len(claimed)

    async def _deliver(self, claimed: ClaimedKey) -> None:
        kind, row_id = claimed.key.kind, claimed.key.id
        async with self._database.transaction() as session:
            wanted = await self._kinds[kind](session, row_id)
        is_told, retry_after = False, _RETRY_AFTER
        try:
            is_told = wanted is None or await self._tell(wanted)
        except OrchestratorRefused as refusal:  # of this one: the others go on
            log.error("delivery_refused", extra={kind: row_id, "why": refusal.detail})  # noqa: TRY400
            retry_after = _RETRY_REFUSED_AFTER
        finally:
            async with self._database.transaction() as session:
                outbox = OutboxRepository(session)
                await (outbox.settle(claimed) if is_told else outbox.give_back(claimed, retry_after))
        if wanted is not None and is_told:
            log.info("delivered", extra={kind: row_id, "correlation_id": wanted.run.correlation_id})

    async def _tell(self, wanted: Wanted) -> bool:
        """Tell Temporal what the row wants; False when there is more to tell in a moment."""
        if wanted.is_cancel_wanted and await self._runs.cancel(wanted.run):
            return True
        await self._runs.poke(wanted.run)
        # a cancel without a run: the one that the poke started waits, and the next delivery cancels it
        return not wanted.is_cancel_wanted
