"""The relay: delivers what nobody else has delivered, and keeps the house.

Its clock is its own. A Temporal schedule would be lost together with what the relay watches.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

from activities.relay.chore import Chore
from activities.relay.delivery import Delivery
from models.postgres.database import Database
from models.postgres.hints import DIRTY, Hints
from models.repositories.build.delivery import BuildDelivery
from models.repositories.idempotency import IdempotencyRepository
from models.repositories.log.days import LogDays
from models.rules.errors.domain import DomainError

log = logging.getLogger(__name__)

_LOOK_SECONDS = 1.0
_UNCLAIMED_FOR = timedelta(seconds=30)
_UNCANCELLED_FOR = timedelta(seconds=30)
_KEYS_AT_ONCE = 1000


class Relay:
    def __init__(
        self,
        database: Database,
        hints: Hints,
        delivery: Delivery,
        repairs: Sequence[Chore],
        *,
        log_retention: timedelta,
    ) -> None:
        self._database = database
        self._hints = hints
        self._delivery = delivery
        self._log_retention = log_retention
        self.chores = [
            Chore("unclaimed_builds", timedelta(seconds=15), self._deliver_unclaimed),
            Chore("uncancelled_builds", timedelta(seconds=15), self._deliver_uncancelled),
            *repairs,
            Chore("log_days", timedelta(hours=1), self._keep_log_days),
            Chore("idempotency_keys", timedelta(minutes=10), self._forget_keys),
        ]

    async def run(self) -> None:
        """Deliver until cancelled."""
        async with self._hints.watching(DIRTY) as watch:
            is_away = False
            while True:
                was_away, is_away = is_away, False
                for work in (self._deliver_all, *self._chores_due()):  # the house is kept while Temporal is away, too
                    try:
                        await work()
                    except DomainError as error:
                        if not was_away:
                            log.warning("relay_waits", extra={"why": error.detail})
                        is_away = True
                    except Exception:  # the outermost line of this task: one bad chore must not end the others
                        log.exception("relay_defect")
                        is_away = True
                if is_away:
                    await asyncio.sleep(_LOOK_SECONDS)
                await watch.wait(_LOOK_SECONDS)

    async def _deliver_all(self) -> None:
        while await self._delivery.deliver_some():
            pass

    def _chores_due(self) -> list[Callable[[], Awaitable[None]]]:
        now = asyncio.get_running_loop().time()
        due = [chore for chore in self.chores if now >= chore.due_at]
        for chore in due:
            chore.due_at = now + chore.every.total_seconds()
        return [chore.do for chore in due]

    async def _deliver_unclaimed(self) -> None:
        async with self._database.transaction() as session:
            found = await BuildDelivery(session).mark_unclaimed(_UNCLAIMED_FOR)
        if found:
            log.warning("unclaimed_builds_marked", extra={"builds": found})

    async def _deliver_uncancelled(self) -> None:
        async with self._database.transaction() as session:
            found = await BuildDelivery(session).mark_uncancelled(_UNCANCELLED_FOR)
        if found:
            log.warning("uncancelled_builds_marked", extra={"builds": found})

    async def _keep_log_days(self) -> None:
        async with self._database.transaction() as session:
            await LogDays(session).prepare()
            dropped = await LogDays(session).drop_before(self._log_retention)
        if dropped:
            log.info("log_days_dropped", extra={"days": [day.isoformat() for day in dropped]})

    async def _forget_keys(self) -> None:
        async with self._database.transaction() as session:
            await IdempotencyRepository(session).forget_old(_KEYS_AT_ONCE)
