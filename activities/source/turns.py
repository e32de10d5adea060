"""Whose source may be fetched now, and the downloads that are under way."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Self

from activities.waiting import WaitNote
from models.postgres.database import Database
from models.postgres.hints import SLOTS, Hints
from models.repositories.queue.look_ahead import FETCH_LEASE, LookAheadRepository
from models.rules.build_payloads import Checkpoint
from models.rules.errors.database import DATABASE_AWAY

log = logging.getLogger(__name__)

_AT_ONCE = 8  # downloads from which bytes come
_AT_MOST = 64  # with those that hang
_LOOK_SECONDS = 1.0
_KEEP_SECONDS = FETCH_LEASE.total_seconds() / 3
_STALLED_AFTER_SECONDS = 3.0
_TRICKLE_BYTES = 4096  # within that time: less is a download that hangs


class SourceTurns:
    """The look-ahead of one process; Postgres knows that of all of them."""

    def __init__(self, database: Database, hints: Hints) -> None:
        self._database = database
        self._hints = hints
        self.begun = 0  # downloads here
        self.flowing = 0  # those from which bytes come

    async def free(self, arriving: Callable[[], int]) -> None:
        """Return when there is room for one more download than those `arriving`, which have yet to begin."""
        async with self._hints.watching(SLOTS) as watch:
            while not await self._has_room(arriving()):
                await watch.wait(_LOOK_SECONDS)

    def look_again(self) -> None:
        """Say that there may be room now."""
        self._hints.give(SLOTS)

    @asynccontextmanager
    async def taken(self, build: Checkpoint, note: WaitNote) -> AsyncIterator["Download"]:
        """Give the build's turn to the body, which downloads; waits while there is no room."""
        async with self._hints.watching(SLOTS) as watch:
            while not await self._begin(build):
                await watch.wait(_LOOK_SECONDS)
        self.begun += 1
        try:
            async with Download(self, build, note) as download:
                yield download
        finally:
            self.begun -= 1
            self.look_again()

    async def _has_room(self, arriving: int) -> bool:
        if self.flowing + arriving >= _AT_ONCE or self.begun + arriving >= _AT_MOST:
            return False
        try:
            async with self._database.transaction() as session:
                return await LookAheadRepository(session).room() > arriving
        except DATABASE_AWAY:
            log.warning("look_ahead_waits_for_database")
            return False

    async def _begin(self, build: Checkpoint) -> bool:
        if self.flowing >= _AT_ONCE:
            return False
        self.flowing += 1
        try:
            async with self._database.transaction() as session:
                has_begun = await LookAheadRepository(session).begin(build.build_id)
        except BaseException:
            self.flowing -= 1
            raise
        self.flowing -= not has_begun
        return has_begun

    async def keep(self, build: Checkpoint) -> None:
        async with self._database.transaction() as session:
            await LookAheadRepository(session).keep(build.build_id)

    async def leave(self, build: Checkpoint) -> None:
        async with self._database.transaction() as session:
            await LookAheadRepository(session).leave(build.build_id)
        self.look_again()


class Download:
    """One build's download. While no bytes come it counts for nothing: another build gets its turn."""

    def __init__(self, turns: SourceTurns, build: Checkpoint, note: WaitNote) -> None:
        self._turns = turns
        self._build = build
        self._note = note
        self._size_bytes = 0
        self._is_whole = False
        self._is_stalled = False
        self._look: asyncio.Task[None]

    async def came(self, size_bytes: int) -> None:
        """Say that bytes have come: an outage of before is over."""
        self._size_bytes += size_bytes
        if not self._is_stalled:
            await self._note.clear()

    async def is_whole(self) -> None:
        """Say that all has come: what follows is work on this host, which takes its time."""
        self._is_whole = True
        await self._note.clear()

    async def __aenter__(self) -> Self:
        self._look = asyncio.create_task(self._watch(), name=f"download-{self._build.build_id}")
        return self

    async def __aexit__(self, _type: type[BaseException] | None, error: BaseException | None, _at: object) -> None:
        self._look.cancel()
        await asyncio.wait([self._look])
        if self._is_stalled:
            return
        self._turns.flowing -= 1
        if isinstance(error, Exception):  # else it lies ready, or its lease ends soon
            with suppress(*DATABASE_AWAY):
                await self._turns.leave(self._build)

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        seen_bytes, seen_at, kept_at = 0, loop.time(), loop.time()
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            now = loop.time()
            if self._size_bytes - seen_bytes >= _TRICKLE_BYTES or self._is_whole:
                seen_bytes, seen_at = self._size_bytes, now
            try:
                if now - seen_at >= _STALLED_AFTER_SECONDS:
                    await self._stall()
                elif self._is_stalled or now - kept_at >= _KEEP_SECONDS:
                    await self._go_on()
                    kept_at = now
            except DATABASE_AWAY:
                log.warning("download_waits_for_database", extra={"build": str(self._build.build_id)})

    async def _stall(self) -> None:
        if self._is_stalled:
            return
        await self._turns.leave(self._build)
        self._is_stalled = True
        self._turns.flowing -= 1
        await self._note.tell(
            f"GitHub has stopped sending the source of {self._build.repo}, {self._size_bytes} bytes in."
        )

    async def _go_on(self) -> None:
        await self._turns.keep(self._build)
        if self._is_stalled:
            self._is_stalled = False
            self._turns.flowing += 1
            await self._note.clear()
