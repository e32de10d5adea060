"""A builder host: it runs executions under leases, whatever happens to the activities that watch them."""

import asyncio
import logging
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack, suppress
from datetime import timedelta
from typing import Self
from uuid import UUID

from activities.builder.attempt_tags import sweep_attempt_tags
from activities.builder.engine_look import EngineLook
from activities.builder.execution_run import ExecutionMeans, ExecutionRun
from activities.builder.identity import BuilderIdentity
from activities.builder.public_names import PublicNames
from activities.log.archive import LogArchive
from activities.log.shipper import LogShipper
from activities.ports.engine import ContainerEngine, EngineProgress
from activities.ports.object_store import ObjectStore
from activities.source.tree import ArchiveLimits
from activities.work_area import WorkArea
from models.postgres.database import Database
from models.postgres.hints import SLOTS, Hints, build_topic
from models.repositories.builder import BuilderRepository
from models.repositories.execution import ExecutionRepository
from models.repositories.log.days import LogDays
from models.rules.build_payloads import Checkpoint
from models.rules.errors.database import DATABASE_AWAY
from models.rules.errors.domain import DomainError
from models.rules.errors.engine import EngineUnreachable, NoFreeSlot
from models.rules.redaction import Redaction
from models.tables.execution import LEASE, BuildExecution

log = logging.getLogger(__name__)

_BEAT = timedelta(seconds=4)
_LEAVE_SECONDS = 1.0
_COMING_BACK_SECONDS = 3 * _BEAT.total_seconds()
_ALONE_SECONDS = 1800.0  # without Postgres nobody else can build it either, unless only this host is cut off
_OPENING_SECONDS = 7.0
_NAMES_EVERY_SECONDS = 12.0
Beat = Callable[[EngineProgress], None]


class BuilderHost:
    """Use as `async with BuilderHost(…) as builder`; leaving it ends what still runs and hands it over."""

    def __init__(
        self,
        identity: BuilderIdentity,
        *,
        database: Database,
        hints: Hints,
        engine: ContainerEngine,
        store: ObjectStore,
        area: WorkArea,
        archive_limits: ArchiveLimits,
        redaction: Redaction,
    ) -> None:
        self.identity = identity
        self._database = database
        self._hints = hints
        self._engine = engine
        self.names = PublicNames(database, engine, identity.instance)
        self._runs: dict[int, ExecutionRun] = {}
        self._openings: dict[asyncio.Task[BuildExecution | None], UUID] = {}  # and their builds
        self._shipper = LogShipper(database, hints)
        self._archive = LogArchive(identity.name, database, store, area, self._runs)
        self.engine_look = EngineLook(engine, identity, redaction)
        self._means = ExecutionMeans(
            database, hints, engine, store, area, self._shipper, identity, archive_limits, redaction
        )
        self._stack = AsyncExitStack()
        self._tasks: list[asyncio.Task[None]] = []
        self._losing: dict[int, asyncio.Task[None]] = {}
        self._kept_at = 0.0
        self._is_back_at = float("-inf")
        self._is_leaving = False

    async def __aenter__(self) -> Self:
        report = await self.engine_look.look()
        async with self._database.transaction() as session:
            await LogDays(session).prepare()
            await BuilderRepository(session).register(report)
            lost = await ExecutionRepository(session).close_left_by(report.name)
        self._hints.give(SLOTS, *(build_topic(execution.build_id) for execution in lost))
        log.info("builder_started", extra={"builder": report.name, "slots": report.slots, "closed": len(lost)})
        if report.engine_error is None:
            await sweep_attempt_tags(self._engine, self._database, self.identity.instance)
        await self._stack.enter_async_context(self._shipper)
        await self._stack.enter_async_context(self._archive)
        self._tasks = [
            asyncio.create_task(self._keep(), name="lease-keeper"),
            asyncio.create_task(self.engine_look.keep_looking(_BEAT), name="engine-look"),
            asyncio.create_task(self._repair_names(), name="public-names"),
        ]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._is_leaving = True
        await self._settle_openings(self._openings)
        await asyncio.gather(*(run.stop() for run in self._runs.values()), return_exceptions=True)
        for task in (*self._tasks, *self._losing.values()):
            task.cancel()
        await asyncio.gather(*self._tasks, *self._losing.values(), return_exceptions=True)
        with suppress(*DATABASE_AWAY, TimeoutError):  # then it is not seen any more soon enough
            async with asyncio.timeout(_LEAVE_SECONDS), self._database.transaction() as session:
                await BuilderRepository(session).leave(self.engine_look.report)
        await self._stack.aclose()

    async def takes_work(self) -> None:
        """Return when work is for this host: its engine answers, or no other one's does, and builds must be told why.

        Else a host without an engine would take task after task from those that could do them.
        """
        while self.engine_look.fault is not None and await self._is_another_engine_there():
            await self.engine_look.next_look()

    async def _is_another_engine_there(self) -> bool:
        try:
            async with self._database.transaction() as session:
                return await BuilderRepository(session).is_another_engine_there(self.identity.name)
        except DATABASE_AWAY:
            return False

    async def attempt(self, build: Checkpoint, run_id: str, beat: Beat) -> BuildExecution:
        """Run the build here, or watch the live execution that it has, and return that execution when it has ended.

        A cancelled caller ends only the watching. Raises ExecutionLost when the build is no longer this run's.
        """
        async with self._hints.watching(SLOTS) as slots:
            while (execution := await self._open(build, run_id)) is None:
                beat(EngineProgress())
                await slots.wait(1)
        token = execution.token or 0
        async with self._hints.watching(build_topic(build.build_id)) as watch:
            while (ended := await self._look_at(token)) is None:
                run = self._runs.get(token)
                beat(run.progress if run is not None else EngineProgress())
                await watch.wait(1)
        if ended.error_code == EngineUnreachable.code:
            await self.engine_look.look()  # or the next attempt begins, and is lost, too
        return ended

    async def _look_at(self, token: int) -> BuildExecution | None:
        """Return an execution that has ended; None while it lives, or while Postgres is away and cannot tell."""
        try:
            async with self._database.transaction() as session:
                seen, is_live = await ExecutionRepository(session).look_at(token)
        except DATABASE_AWAY:
            if self._is_leaving:
                raise
            return None
        is_at_work = is_live or token in self._runs or self._may_be_coming_back()
        return seen if seen.outcome is not None or not is_at_work else None

    async def cancel(self, build_id: UUID) -> bool:
        """End the build's work here and return when it is dead; False when nothing of it runs here."""
        await self._settle_openings([opening for opening, opened in self._openings.items() if opened == build_id])
        runs = [run for run in self._runs.values() if run.execution.build_id == build_id]
        for run in runs:
            await run.cancel()
        return bool(runs)

    async def _open(self, build: Checkpoint, run_id: str) -> BuildExecution | None:
        """Open or join the build's execution; None while there is no slot.

        What is opened is run, also when the caller is cancelled meanwhile: else its row would wait for ever.
        Raises what the engine's look met, before anything is begun.
        """
        if self.engine_look.fault is not None and (known := await self._known(build)) is not None:
            return known
        opening = asyncio.create_task(self._open_and_run(build, run_id), name=f"opening-{build.build_id}")
        self._openings[opening] = build.build_id
        opening.add_done_callback(self._openings.pop)
        return await asyncio.shield(opening)

    async def _settle_openings(self, openings: Iterable["asyncio.Task[BuildExecution | None]"]) -> None:
        """Return when these have led to a run or to nothing; one that Postgres does not answer is given up."""
        pending = set(openings)
        if pending:
            _done, pending = await asyncio.wait(pending, timeout=_OPENING_SECONDS)
        for opening in pending:
            opening.cancel()

    async def _open_and_run(self, build: Checkpoint, run_id: str) -> BuildExecution | None:
        try:
            async with self._database.transaction() as session:
                execution, is_new = await ExecutionRepository(session).open_execution(
                    build.build_id,
                    run_id,
                    self.identity.name,
                    held=set(self._runs),
                    may_take_over=not self._may_be_coming_back(),
                )
        except NoFreeSlot:
            return None
        if is_new:
            run = ExecutionRun(execution, build, self._means)
            token = execution.token or 0
            self._runs[token] = run
            run.start(lambda: self._forget(token))
            self._hints.give(SLOTS, build_topic(build.build_id))
        return execution

    async def _known(self, build: Checkpoint) -> BuildExecution | None:
        """Look, while the engine did not answer, for an execution to take or watch; raise its error when there is none.

        None when the engine answers again. Nothing may be begun before: each try would be an attempt that is lost.
        """
        async with self._database.transaction() as session:
            known = await ExecutionRepository(session).known_execution(build.build_id, held=set(self._runs))
        if known is None:
            await self.engine_look.look()
            if self.engine_look.fault is not None:
                raise self.engine_look.fault
        return known

    def _forget(self, token: int) -> None:
        self._runs.pop(token, None)
        self._losing.pop(token, None)
        self._archive.notice()
        self._hints.give(SLOTS)

    async def _keep(self) -> None:
        """Beat, and end what lost its lease: somebody else may be building it by now. Nothing else may hold this up."""
        loop = asyncio.get_running_loop()
        self._kept_at = loop.time()
        while True:
            await asyncio.sleep(_BEAT.total_seconds())
            try:
                await self._beat(loop.time())
            except Exception:  # the outermost line of this task: without beats every build here would be lost
                log.exception("builder_beat_defect", extra={"builder": self.identity.name})

    async def _beat(self, now: float) -> None:
        tokens = set(self._runs)
        try:
            async with self._database.transaction() as session:
                lost = await BuilderRepository(session).beat(self.engine_look.report, tokens)
                await ExecutionRepository(session).close_unheld(self.identity.name, tokens)
        except DATABASE_AWAY:
            log.warning("builder_beat_failed", extra={"builder": self.identity.name})
            if now - self._kept_at > _ALONE_SECONDS:
                self._end_work_of(tokens)
            return
        if now - self._kept_at > LEASE.total_seconds():
            self._is_back_at = now
        self._kept_at = now
        for lease in lost:
            extra = {"token": lease.token, "build": str(lease.build_id)}
            if lease.is_given_up:
                log.error("lease_lost", extra=extra)
            else:
                log.info("attempt_not_wanted", extra=extra)
        self._end_work_of(lease.token for lease in lost)

    def _end_work_of(self, tokens: Iterable[int]) -> None:
        for token in tokens:
            run = self._runs.get(token)
            if run is not None and token not in self._losing:
                # in a task of its own: ending work takes seconds, and the others' leases go on
                self._losing[token] = asyncio.create_task(run.lose(), name=f"lose-{token}")

    def _may_be_coming_back(self) -> bool:
        """Say whether Postgres has just come back: builders elsewhere may not have told yet that they live."""
        return asyncio.get_running_loop().time() - self._is_back_at < _COMING_BACK_SECONDS

    async def _repair_names(self) -> None:
        while True:
            await asyncio.sleep(_NAMES_EVERY_SECONDS)
            try:
                await self.names.repair()
            except DomainError as error:  # the engine or Postgres is away
                log.info("public_names_not_compared", extra={"why": error.detail})
            except Exception:  # the outermost line of this task
                log.exception("public_names_defect", extra={"builder": self.identity.name})
