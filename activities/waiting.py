"""Telling what a build waits for, from whatever waits."""

import asyncio
import logging
from datetime import timedelta

from models.postgres.database import Database
from models.postgres.hints import Hints, build_topic
from models.repositories.queue.waiting import WaitRepository
from models.rules.build_payloads import Checkpoint
from models.rules.errors.database import DATABASE_AWAY

log = logging.getLogger(__name__)

_TELL_SECONDS = 2.0


class WaitNote:
    """What one stage of one build waits for, shown as `waits_for`. Costs nothing while nothing is told.

    Nobody depends on a note: one that cannot be stored is left out, and a note is void with the state that it was told
    in, so that whoever dies while he waits leaves none behind.
    """

    def __init__(self, database: Database, hints: Hints, build: Checkpoint, *, may_be_told: bool = False) -> None:
        """`may_be_told`: an earlier try of the same stage may have left a note."""
        self._database = database
        self._hints = hints
        self._build = build
        self._told: str | None = None
        self._is_told = may_be_told

    async def tell(self, what: str, *, next_try_in: timedelta | None = None) -> None:
        """Show `what`: a whole sentence that names what is waited for and why. A repeat of it costs nothing."""
        if what == self._told and next_try_in is None:
            return
        try:
            async with asyncio.timeout(_TELL_SECONDS), self._database.transaction() as session:
                await WaitRepository(session).tell(
                    self._build.build_id, self._build.code, what, next_try_in=next_try_in
                )
        except (*DATABASE_AWAY, TimeoutError):
            log.warning("wait_not_told", extra={"what": what})
            return
        self._told, self._is_told = what, True
        self._hints.give(build_topic(self._build.build_id))

    async def clear(self) -> None:
        """Show nothing any more, when something was told."""
        if not self._is_told:
            return
        try:
            async with asyncio.timeout(_TELL_SECONDS), self._database.transaction() as session:
                await WaitRepository(session).clear(self._build.build_id, self._build.code)
        except (*DATABASE_AWAY, TimeoutError):
            log.warning("wait_not_cleared", extra={"what": self._told})
            return
        self._told, self._is_told = None, False
        self._hints.give(build_topic(self._build.build_id))
