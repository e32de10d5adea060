"""Hints between processes: "something about this topic changed, look". LISTEN and NOTIFY on one connection a process.

A hint may be lost, doubled or late; who waits also looks by himself now and then. Transactions that write data never
NOTIFY (it takes a lock that orders all commits), so hints leave on their own, gathered for a moment, without a flush.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession

from process.background import Background

log = logging.getLogger(__name__)

DIRTY = "dirty"  # a build waits for delivery
SLOTS = "slots"  # a slot was taken or became free
_CHANNEL = "slipway"
_TOPICS = "hinted topics"
_GATHER_SECONDS = 0.05
_RECONNECT_SECONDS = 0.5
_LONGEST_PAYLOAD = 7900  # Postgres takes less than 8000 bytes
_TIMEOUT_SECONDS = 5.0


def build_topic(build_id: object) -> str:
    return f"build/{build_id}"


def hint(session: AsyncSession, *topics: str) -> None:
    """Have these hints given when the session's transaction has committed, and only then: see `Database`."""
    session.info.setdefault(_TOPICS, set()).update(topics)


def topics_of(session: AsyncSession) -> set[str]:
    """Return what was hinted within the session's transaction."""
    topics: set[str] = session.info.get(_TOPICS, set())
    return topics


class Watch:
    """One waiter's view of a topic."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()

    def notice(self) -> None:
        self._changed.set()

    async def wait(self, at_most_seconds: float = 1.0) -> None:
        """Return at the next hint, or one that came since the last call, or after the given time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(at_most_seconds):
                await self._changed.wait()
        self._changed.clear()


class Hints(Background):
    """Sends and receives. Use as `async with Hints(url) as hints`; `watch` makes what each waiter waits with."""

    def __init__(self, url: str, watch: Callable[[], Watch] = Watch) -> None:
        self._url = url
        self._watch = watch
        self._watches: dict[str, set[Watch]] = defaultdict(set)
        self._pending: set[str] = set()
        self._wake = asyncio.Event()

    def give(self, *topics: str) -> None:
        """Tell every process, this one too, that something about the topics changed. Never waits, never raises."""
        self._dispatch(topics)
        self._pending.update(topics)
        self._wake.set()

    @asynccontextmanager
    async def watching(self, topic: str) -> AsyncIterator[Watch]:
        """Watch a topic; hints given from now on are seen."""
        watch = self._watch()
        self._watches[topic].add(watch)
        try:
            yield watch
        finally:
            self._watches[topic].discard(watch)
            if not self._watches[topic]:
                del self._watches[topic]

    async def _run(self) -> None:
        while True:
            try:
                await self._serve_one_connection()
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                log.warning("hints_disconnected", extra={"error": type(error).__name__})
            # what was hinted meanwhile is lost: everybody looks once
            self._dispatch(list(self._watches))
            await asyncio.sleep(_RECONNECT_SECONDS)

    async def _serve_one_connection(self) -> None:
        connection = await asyncpg.connect(
            self._url,
            timeout=_TIMEOUT_SECONDS,
            command_timeout=_TIMEOUT_SECONDS,
            server_settings={"synchronous_commit": "off", "application_name": "slipway hints"},
        )
        try:
            connection.add_termination_listener(lambda _: self._wake.set())
            await connection.add_listener(_CHANNEL, self._receive)
            self._dispatch(list(self._watches))
            while not connection.is_closed():
                await self._wake.wait()
                self._wake.clear()
                topics, self._pending = self._pending, set()
                for payload in _payloads(sorted(topics)):
                    await connection.execute("SELECT pg_notify($1, $2)", _CHANNEL, payload)
                await asyncio.sleep(_GATHER_SECONDS)  # the first hint leaves at once, those that follow together
        finally:
            connection.terminate()

    def _receive(self, _connection: object, _pid: int, _channel: str, payload: object) -> None:
        self._dispatch(str(payload).split(" "))

    def _dispatch(self, topics: Iterable[str]) -> None:
        for topic in topics:
            for watch in self._watches.get(topic, ()):
                watch.notice()


def _payloads(topics: list[str]) -> Iterable[str]:
    payload = ""
    for topic in topics:
        if payload and len(payload) + len(topic) >= _LONGEST_PAYLOAD:
            yield payload
            payload = ""
        payload = f"{payload} {topic}" if payload else topic
    if payload:
        yield payload
