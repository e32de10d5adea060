"""One execution on this host: unpack the source, let the engine build, store the log, record the end."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from activities.builder.awaiting import result_of
from activities.builder.identity import BuilderIdentity
from activities.context.preparation import prepare_source
from activities.disk import disk_failure
from activities.folders import remove_tree
from activities.log.shipper import LogShipper, ShippedLog
from activities.ports.engine import ContainerEngine, EngineBuild, EngineBuildRequest, EngineOutcome, EngineProgress
from activities.ports.object_store import ObjectStore
from activities.source.archive import measure
from activities.source.tree import ArchiveLimits
from activities.stoppable import run_stoppable
from activities.waiting import WaitNote
from activities.work_area import WorkArea
from models.postgres.database import Database
from models.postgres.hints import Hints, build_topic
from models.repositories.build.reading import BuildInputs, BuildReading
from models.repositories.execution import ExecutionEnd, ExecutionRepository
from models.repositories.log.chunks import LogChunks
from models.repositories.log.facts import LogFacts, WrittenLog
from models.rules.build_payloads import Checkpoint
from models.rules.errors.database import DATABASE_AWAY
from models.rules.errors.domain import DomainError
from models.rules.errors.engine import BuildCancelled, DockerBuildFailed, ExecutionLost
from models.rules.errors.source import SourceGone
from models.rules.errors.stored import UnknownFailure
from models.rules.image_reference import attempt_reference
from models.rules.redaction import Redaction
from models.rules.run_contract import Label
from models.tables.execution import BuildExecution

log = logging.getLogger(__name__)

_RECORD_TRIES_EVERY_SECONDS = 0.5
_STOP_SECONDS = 7.0  # for the engine's answer, which may take 5 s, and the record
_LEAVE_SECONDS = 2.0


@dataclass(frozen=True)
class ExecutionMeans:
    """What every execution of a host shares."""

    database: Database
    hints: Hints
    engine: ContainerEngine
    store: ObjectStore
    area: WorkArea
    shipper: LogShipper
    identity: BuilderIdentity
    archive_limits: ArchiveLimits
    redaction: Redaction


class ExecutionRun:
    """Runs in a task of its own from start() on."""

    def __init__(self, execution: BuildExecution, build: Checkpoint, means: ExecutionMeans) -> None:
        self.execution = execution
        self._token = execution.token or 0
        self._build = build
        self._means = means
        self._engine_build: EngineBuild | None = None
        self._preparation: asyncio.Task[EngineBuildRequest] | None = None
        self._notices: tuple[str, ...] = ()
        self._is_ending = False
        self._is_cancel_wanted = False
        self._is_lost = False
        self._is_over = False
        self._task: asyncio.Task[None] | None = None

    @property
    def progress(self) -> EngineProgress:
        return self._engine_build.progress if self._engine_build is not None else EngineProgress()

    def start(self, when_ended: Callable[[], None]) -> None:
        self._task = asyncio.create_task(self._run(), name=f"execution-{self._token}")
        self._task.add_done_callback(lambda _task: when_ended())

    async def cancel(self) -> None:
        """End the work because a cancel is wanted, and return when it is dead and recorded."""
        self._is_cancel_wanted = True
        await self._end_work()

    async def lose(self) -> None:
        """End the work because the lease is lost, or the build has ended otherwise.

        Work that has ended by itself is past that: its outcome is told, and Postgres decides whether it counts.
        """
        if self._is_over:
            return
        self._is_lost = True
        await self._end_work()

    async def stop(self) -> None:
        """End the work because the worker stops; the build is tried again elsewhere, or here after the restart.

        An engine or a Postgres that does not answer does not hold the worker up: what stays untold is lost with the
        lease, as after a kill.
        """
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await self._end_work()
        except (TimeoutError, DomainError, OSError) as failure:
            log.warning("execution_left", extra={"token": self._token, "error": type(failure).__name__})
            if self._task is not None:
                self._task.cancel()
                await asyncio.wait([self._task], timeout=_LEAVE_SECONDS)

    async def _end_work(self) -> None:
        self._is_ending = True
        if self._engine_build is not None:
            await self._engine_build.cancel()
        elif self._preparation is not None:
            self._preparation.cancel()
        if self._task is not None:
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        work = self._means.area.path / f"execution-{self._token}"
        try:
            end = await self._outcome(work)
            self._is_over = True
            await self._record(end)
        finally:
            self._means.shipper.forget(self._token)
            await asyncio.to_thread(remove_tree, work)
            self._means.hints.give(build_topic(self._build.build_id))

    async def _outcome(self, work: Path) -> ExecutionEnd:
        """Do the work; whatever it comes to is an end to record."""
        error: DomainError | None = None
        outcome: EngineOutcome | None = None
        try:
            outcome = await self._work(work)
        except DomainError as failure:
            error = failure
        except asyncio.CancelledError:
            if self._preparation is None or not self._preparation.cancelled() or _is_told_to_leave():
                raise
            error = BuildCancelled("The build was ended before its first step.")
        except OSError as failure:
            log.exception("execution_disk_error", extra={"token": self._token})
            error = disk_failure(failure, self._means.area.path)
        except Exception:  # the outermost line of this task: a defect is recorded, and stays loud in the log
            log.exception("execution_defect", extra={"token": self._token})
            error = UnknownFailure("The build failed by a fault of Slipway itself; the worker's log says more.")
        notices = [*self._notices, *(self._engine_build.notices if self._engine_build is not None else ())]
        return ExecutionEnd(
            outcome=self._word(error),
            docker_image_id=outcome.image_id if outcome is not None else None,
            error=self._means.redaction.error(error) if error is not None else None,
            notices=self._means.redaction.texts(notices),
        )

    def _word(self, error: DomainError | None) -> str:
        if error is None:
            return "succeeded"
        if isinstance(error, BuildCancelled):
            return "cancelled" if self._is_cancel_wanted else "lost"
        return "lost" if error.retryable else "failed"

    async def _work(self, work: Path) -> EngineOutcome:
        await asyncio.to_thread(self._means.area.folder, work.name)
        async with self._means.database.transaction() as session:
            inputs = await BuildReading(session).inputs(self._build.build_id)
        self._preparation = asyncio.create_task(self._prepare(inputs, work))
        request = await self._preparation
        self._engine_build = await self._means.engine.start_build(request, work)
        self._means.shipper.add(self.execution, self._engine_build)
        if self._is_ending:  # it was wanted while the engine was asked to begin
            await self._engine_build.cancel()
        limit = self._means.identity.build_timeout.total_seconds()
        note = WaitNote(self._means.database, self._means.hints, self._build)
        try:
            async with asyncio.timeout(limit):
                return await result_of(self._engine_build, note)
        except TimeoutError:
            await self._engine_build.cancel()
            raise DockerBuildFailed(
                f"The build took longer than {limit:.0f} seconds and was ended;"
                " raise SLIPWAY_BUILD_TIMEOUT if that is right."
            ) from None

    async def _prepare(self, inputs: BuildInputs, work: Path) -> EngineBuildRequest:
        key = self._build.variables.get("source_key", "")
        archive = work / "source.tar.gz"
        if not key or not await self._means.store.fetch(key, archive):
            raise SourceGone(f"The source archive of {inputs.repo} is no longer kept; it is fetched again.")
        await self._check_source(key, archive)
        tree = work / "source"
        tree.mkdir(mode=0o700)
        prepare = partial(prepare_source, dockerfile_path=inputs.dockerfile_path, context_path=inputs.context)
        prepared = await run_stoppable(partial(prepare, archive, tree, self._means.archive_limits))
        context, self._notices = prepared.context, prepared.notices
        instance = self._means.identity.instance
        return EngineBuildRequest(
            engine_build_id=f"{instance}-{self._token}",
            tag=attempt_reference(self._build.build_id, self._token),
            context_dir=context.folder,
            context_name=context.name,
            dockerfile=inputs.dockerfile_path,
            dockerfile_file=context.dockerfile,
            ignore_file=context.ignore_file,
            labels={
                Label.INSTANCE: instance,
                Label.BUILD: str(self._build.build_id),
                Label.REPO: inputs.repo,
                Label.COMMIT: self._build.variables.get("commit_sha", ""),
                "managed_by": "slipway",
            },
            build_args=inputs.build_args,
            secrets=inputs.secrets,
            target=inputs.target,
        )

    async def _check_source(self, key: str, archive: Path) -> None:
        """Raise SourceGone, after forgetting the kept archive, when it is no longer what was fetched."""
        _size, sha256 = await asyncio.to_thread(measure, archive)
        if sha256 != self._build.variables.get("source_sha256"):
            log.error("kept_source_changed", extra={"key": key, "sha256": sha256})
            await self._means.store.delete(key)
            raise SourceGone("The kept source archive is not what was fetched any more; it is fetched again.")

    async def _record(self, end: ExecutionEnd) -> None:
        """Store the rest of the log, then the end; waits for Postgres as long as it takes."""
        while True:
            with suppress(*DATABASE_AWAY):
                await self._record_once(end)
                self._means.hints.give(build_topic(self._build.build_id))
                return
            await asyncio.sleep(_RECORD_TRIES_EVERY_SECONDS)

    async def _record_once(self, end: ExecutionEnd) -> None:
        shipped = await self._means.shipper.finish(self._token)
        async with self._means.database.transaction() as session:
            size = await LogChunks(session).size(self._token, self.execution.log_day)
            await LogFacts(session).finish(self._token, WrittenLog(size, shipped.tail, self._losses(shipped)))
            executions = ExecutionRepository(session)
            if not self._is_lost:
                try:
                    await executions.end(self._token, end)
                except ExecutionLost:
                    log.warning("execution_lost", extra={"token": self._token, "build": str(self._build.build_id)})
                    self._is_lost = True
            if self._is_lost:
                await executions.close_lost(self._token)

    def _losses(self, shipped: ShippedLog) -> str | None:
        by_engine = self._engine_build.log_loss if self._engine_build is not None else None
        return " ".join(loss for loss in (by_engine, shipped.loss) if loss) or None


def _is_told_to_leave() -> bool:
    """Tell a cancel of this very task from that of a task which it awaits."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
