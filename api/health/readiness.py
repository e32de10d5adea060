"""Whether this process can do its work: asked by load balancers, by the supervisor, and by people."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from api.gateway import Gateway
from api.health.migration import Migration
from api.health.schemas import Component, Health, Part, ReadinessAnswer, Works
from api.version import VERSION
from models.postgres.database import Database
from models.repositories.builder import BuilderRepository, BuilderView
from models.rules.errors.domain import DomainError
from models.rules.redaction import Redaction

_LONGEST_SECONDS = 1.5
_KEPT_SECONDS = 1.0
_LIFETIMES_BORNE = 3


class _Lame(Exception):
    """A part answers, but cannot do its work."""


class Readiness:
    """Asks every part at once, each for a bounded time, and keeps the answer for a second."""

    def __init__(
        self,
        database: Database,
        gateway: Gateway,
        migration: Migration,
        stopping: asyncio.Event,
        redaction: Redaction,
    ) -> None:
        self._database = database
        self._redaction = redaction
        self._gateway = gateway
        self._migration = migration
        self._stopping = stopping
        self._instance: str | None = None
        self._asking = asyncio.Lock()
        self._kept: ReadinessAnswer | None = None
        self._kept_until = 0.0

    async def answer(self) -> ReadinessAnswer:
        async with self._asking:
            if self._kept is None or time.monotonic() > self._kept_until or self._stopping.is_set():
                self._kept = await self._ask()
                self._kept_until = time.monotonic() + _KEPT_SECONDS
            return self._kept.model_copy(update={"cache": cache_word(self._kept.timestamp, datetime.now(UTC))})

    async def _ask(self) -> ReadinessAnswer:
        components = await asyncio.gather(
            self._timed(Part.DATABASE, self._ask_database),
            self._timed(Part.TEMPORAL, self._ask_temporal),
            self._timed(Part.ENGINE, self._ask_engine),
            self._timed(Part.WORKERS, self._ask_workers),
        )
        is_ready = all(component.status == Works.OK for component in components) and not self._stopping.is_set()
        word = Health.HEALTHY if is_ready else Health.UNHEALTHY
        return ReadinessAnswer(
            status=word,
            overall=word,
            overall_status=word,
            timestamp=datetime.now(UTC),
            version=VERSION,
            instance=self._instance,
            database=components[0].status,
            cache=Works.OK,
            components=components,
        )

    async def _ask_database(self) -> str:
        self._migration.check()
        await self._database.ping()  # one that is ending lets old connections work, and takes no new one
        async with self._database.transaction() as session:
            self._instance = str(await BuilderRepository(session).instance())
        return "the schema is up to date"

    async def _ask_temporal(self) -> str:
        await self._gateway.ping()
        return "it answers"

    async def _ask_workers(self) -> str:
        live = await self._live_builders()
        slots, busy = sum(each.slots for each in live), sum(each.busy for each in live)
        return f"live builders: {len(live)}; slots: {slots}, of which busy: {busy}"

    async def _ask_engine(self) -> str:
        live = await self._live_builders()
        words = "; ".join(_engine_of(builder) for builder in live)
        if all(builder.engine_error is not None for builder in live):
            raise _Lame(words)
        return words

    async def _live_builders(self) -> list[BuilderView]:
        self._migration.check()
        async with self._database.transaction() as session:
            builders = await BuilderRepository(session).seen()
        live = [builder for builder in builders if builder.is_live]
        if not live:
            raise _Lame("no builder was heard of within 15 s; start a worker with the role builder")
        return live

    async def _timed(self, name: Part, ask: Callable[[], Awaitable[str]]) -> Component:
        began, status = time.perf_counter(), Works.FAILING
        try:
            async with asyncio.timeout(_LONGEST_SECONDS):
                details = await ask()
            status = Works.OK
        except DomainError as error:
            details = self._redaction.text(error.detail)
        except _Lame as lame:
            details = str(lame)
        except TimeoutError:
            details = f"no answer within {_LONGEST_SECONDS} s"
        latency_ms = round((time.perf_counter() - began) * 1000, 1)
        return Component(name=name, status=status, latency_ms=latency_ms, details=details)


def cache_word(made_at: datetime, now: datetime) -> Works:
    """Say whether a kept answer is as young as it should be: not after a jump of the clock, or a suspended machine."""
    is_young = timedelta(0) <= now - made_at <= timedelta(seconds=_KEPT_SECONDS * _LIFETIMES_BORNE)
    return Works.OK if is_young else Works.FAILING


def _engine_of(builder: BuilderView) -> str:
    if builder.engine_error is not None:
        return f"{builder.name}: {builder.engine_error}"
    words = f"{builder.name}: Docker {builder.engine_version or 'of unknown version'}"
    if builder.builds_by:
        words += f", builds by {builder.builds_by}"
    if builder.clips_at:
        words += (
            f"; it clips a step's log at {builder.clips_at}: set BUILDKIT_STEP_LOG_MAX_SPEED and"
            " BUILDKIT_STEP_LOG_MAX_SIZE for dockerd, as the README says"
        )
    return words
