"""Live logs: one tail per build and process, shared by any number of readers, none of which holds a connection.

A tail keeps the newest bytes; a reader that fell behind reads stored bytes by himself until he has caught up.
"""

import asyncio
import contextvars
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

from prometheus_client import Gauge

from api.logs.ring import KEPT_BYTES, Ring
from api.logs.stored import StoredLogs
from api.logs.text import LogCutter, LogPiece
from models.postgres.database import Database
from models.postgres.hints import Hints, build_topic
from models.repositories.log.chunks import LogChunks
from models.repositories.log.facts import LogFacts, StoredLog
from models.rules.errors.database import DATABASE_AWAY
from models.rules.errors.request import LogNotFound

log = logging.getLogger(__name__)

_PAGE = 256 * 1024
_PIECE = 32 * 1024
_LOOK_SECONDS = 1.0


@dataclass(frozen=True)
class LogPlace:
    """How far a reader is: `offset` bytes into the log of this attempt of this build of the image."""

    generation: int
    attempt: int
    offset: int


@dataclass(frozen=True)
class Wrote:
    place: LogPlace  # behind the piece
    piece: LogPiece


@dataclass(frozen=True)
class AttemptBegan:
    """What follows is another attempt's log, from its start."""

    place: LogPlace


@dataclass(frozen=True)
class Ended:
    """The build has ended, and all of its newest attempt's log was told."""

    place: LogPlace
    status: str
    error: str | None
    loss: str | None


@dataclass(frozen=True)
class Interrupted:
    """This process ends; another one will go on."""


LogEvent = Wrote | AttemptBegan | Ended | Interrupted


class Tail:
    """Follows one build's log for all readers of this process."""

    def __init__(self, build_id: UUID, database: Database, hints: Hints, logs: StoredLogs) -> None:
        self.log: StoredLog | None = None  # None until the first look
        self.is_settled = False  # the build has ended, and `ring` reaches to the log's end
        self.readers = 0
        self.ring = Ring(0)
        self._build_id = build_id
        self._database = database
        self._hints = hints
        self._logs = logs
        self._changed = asyncio.Event()
        # a context of its own: it outlives the request that began it, whose id has no place in its log lines
        self._task = asyncio.create_task(self._run(), name=f"tail {build_id}", context=contextvars.Context())
        self._task.add_done_callback(lambda _: self.wake())

    def wake(self) -> None:
        """Let every reader look."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    @property
    def changed(self) -> asyncio.Event:
        """Take it before looking, wait for it after: then nothing is missed."""
        return self._changed

    def check(self) -> None:
        """Raise what ended the tail before the log's end."""
        if self._task.done() and not self.is_settled:
            self._task.result()

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        async with self._hints.watching(build_topic(self._build_id)) as watch:
            while True:
                try:
                    await self._look()
                except DATABASE_AWAY as error:
                    log.warning("tail_waits", extra={"build": str(self._build_id), "error": type(error).__name__})
                if self.is_settled:
                    return
                await watch.wait(_LOOK_SECONDS)

    async def _look(self) -> None:
        async with self._database.transaction() as session:
            found = await LogFacts(session).of_build(self._build_id)
        if found is None:
            raise LogNotFound("The build is gone, and its log with it.")
        size_bytes = 0
        if self.log is None or found.token != self.log.token:
            size_bytes = await self._logs.size(found)
            self.ring = Ring(max(0, size_bytes - KEPT_BYTES))  # what lies further back each reader fetches himself
        self.log = found
        while await self._take_page(found):
            self.wake()
        if self.ring.end < size_bytes:  # the rows were dropped: readers find the whole log as an object
            self.ring = Ring(size_bytes)
        # the bytes were read after the row: what an ended build wrote is all here
        self.is_settled = not found.is_build_open
        self.wake()

    async def _take_page(self, found: StoredLog) -> bool:
        if found.token is None or found.day is None:
            return False
        async with self._database.transaction() as session:
            page = await LogChunks(session).read(found.token, found.day, self.ring.end, _PAGE)
        if not page.data:
            return False
        self.ring.add(page)
        return True


class _Reader:
    """How far one reader is."""

    def __init__(self, place: LogPlace) -> None:
        self.generation = place.generation
        self.attempt = place.attempt
        self.cutter = LogCutter(place.offset)

    @property
    def place(self) -> LogPlace:
        return LogPlace(self.generation, self.attempt, self.cutter.offset)

    def begin(self, attempt: int) -> AttemptBegan:
        self.attempt, self.cutter = attempt, LogCutter(0)
        return AttemptBegan(self.place)

    def skip_to(self, offset: int) -> None:
        self.cutter = LogCutter(offset)

    def take(self, data: bytes) -> Iterator[LogEvent]:
        for piece in self.cutter.cut(data):
            yield self._wrote(piece)

    def is_behind(self, tail: Tail) -> bool:
        """Say whether what comes next is no longer kept by the tail."""
        is_same = tail.log is not None and tail.log.attempt == self.attempt
        return is_same and self.cutter.offset < tail.ring.start

    def is_at_end_of(self, tail: Tail) -> bool:
        is_same = tail.log is not None and tail.log.attempt == self.attempt
        return is_same and tail.is_settled and self.cutter.offset >= tail.ring.end

    def end(self, tail: Tail) -> Iterator[LogEvent]:
        for piece in self.cutter.rest():
            yield self._wrote(piece)
        if tail.log is not None:
            yield Ended(self.place, tail.log.status, tail.log.error, tail.log.loss)

    def _wrote(self, piece: LogPiece) -> Wrote:
        return Wrote(LogPlace(self.generation, self.attempt, piece.end), piece)


class LogTails:
    """All tails of this process."""

    def __init__(self, database: Database, hints: Hints, logs: StoredLogs, readers: Gauge) -> None:
        self._database = database
        self._hints = hints
        self._logs = logs
        self._readers = readers
        self._tails: dict[UUID, Tail] = {}
        self._is_stopping = False

    def stop(self) -> None:
        """End every stream, by a word to its reader."""
        self._is_stopping = True
        for tail in self._tails.values():
            tail.wake()

    async def left(self, newest: StoredLog, place: LogPlace) -> int | None:
        """Return how many bytes there are behind `place`, None when it is no place of this log.

        It is the stored log that is asked: another process may have told the reader more than we have read.
        """
        if (place.generation, place.attempt) != (newest.generation, newest.attempt):
            return None
        left = await self._logs.size(newest) - place.offset
        return left if left >= 0 else None

    async def follow(self, build_id: UUID, place: LogPlace) -> AsyncGenerator[LogEvent, None]:
        """Tell a build's log from `place` on, as it grows, until the build has ended."""
        reader = _Reader(place)
        async with self._reading(build_id) as tail:
            while not self._is_stopping:
                changed, before = tail.changed, reader.place
                if reader.is_at_end_of(tail):
                    for event in reader.end(tail):
                        yield event
                    return
                async with aclosing(self._next_events(tail, reader)) as events:
                    async for event in events:
                        yield event
                if reader.place == before and not reader.is_behind(tail):
                    tail.check()
                    await changed.wait()
            yield Interrupted()

    async def _next_events(self, tail: Tail, reader: "_Reader") -> AsyncGenerator[LogEvent, None]:
        newest = tail.log
        if newest is None or newest.attempt < reader.attempt:  # the reader heard more, from another process
            return
        if newest.attempt > reader.attempt:
            yield reader.begin(newest.attempt)
        elif reader.is_behind(tail):
            async with aclosing(self._stored_events(tail, newest, reader)) as events:
                async for event in events:
                    yield event
        else:
            for event in reader.take(tail.ring.read(reader.cutter.offset, _PIECE)):
                yield event

    async def _stored_events(self, tail: Tail, newest: StoredLog, reader: "_Reader") -> AsyncGenerator[LogEvent, None]:
        """Tell what the tail no longer keeps; ends early when the database cannot be read just now."""
        end = tail.ring.start
        try:
            async with aclosing(self._logs.pages(newest, reader.cutter.offset, end)) as pages:
                async for page in pages:
                    for start in range(0, len(page), _PIECE):
                        for event in reader.take(page[start : start + _PIECE]):
                            yield event
                    if self._is_stopping:
                        return
        except DATABASE_AWAY as error:
            log.warning("log_reader_waits", extra={"build": str(newest.build_id), "error": type(error).__name__})
            await asyncio.sleep(_LOOK_SECONDS)
            return
        if reader.cutter.offset < end:  # neither rows nor an object: the offsets that follow show the gap
            log.error("log_bytes_missing", extra={"build": str(newest.build_id), "offset": reader.cutter.offset})
            reader.skip_to(end)

    @asynccontextmanager
    async def _reading(self, build_id: UUID) -> AsyncIterator[Tail]:
        tail = self._tails.get(build_id)
        if tail is None or tail.is_settled:
            tail = self._tails[build_id] = Tail(build_id, self._database, self._hints, self._logs)
        tail.readers += 1
        self._readers.inc()
        try:
            yield tail
        finally:
            self._readers.dec()
            tail.readers -= 1
            if tail.readers == 0:
                if self._tails.get(build_id) is tail:
                    del self._tails[build_id]
                await tail.stop()
