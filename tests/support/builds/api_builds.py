"""A builder that does nothing but report, so that an API's answers can be seen at every point of a build's life."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from models.postgres.database import Database
from models.postgres.hints import Hints, build_topic
from models.repositories.build.delivery import BuildDelivery
from models.repositories.build.ending import BuildEnding
from models.repositories.build.reports import BuildReports
from models.repositories.builder import BuilderReport, BuilderRepository
from models.repositories.execution import ExecutionEnd, ExecutionRepository
from models.repositories.log.chunks import LogChunks
from models.repositories.log.days import LogDays
from models.repositories.log.facts import LogFacts, WrittenLog
from models.repositories.progress import ProgressRepository
from models.rules.build_lifecycle import BuildStatus
from models.rules.build_payloads import Checkpoint, Claim, FailureReport, StateReport
from models.rules.log_chunk import LogBytes
from models.tables.execution import BuildExecution
from tests.support.servers.api_server import RunningApi

STAYS_OPEN = timedelta(days=14)
BUILDER = "host-a"
FULL_COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Attempt:
    """One execution, whose log is written piece by piece."""

    execution: BuildExecution
    size: int = 0

    @property
    def token(self) -> int:
        return self.execution.token or 0


class ReportingBuilder:
    """Drives builds through the repositories, as worker and workflow do."""

    def __init__(self, database: Database, hints: Hints | None = None) -> None:
        self._database = database
        self._hints = hints
        self._run_ids: dict[UUID, str] = {}
        self._seq = 0

    async def register(
        self, *, engine_error: str | None = None, is_limited: bool = False, clips_at: str | None = None
    ) -> None:
        """Be a live builder, with today's partition for logs."""
        report = BuilderReport(
            BUILDER, uuid4(), 2, "20.10.24", engine_error, is_limited, builds_by="buildx 0.29.1", clips_at=clips_at
        )
        async with self._database.transaction() as session:
            await LogDays(session).prepare()
            await BuilderRepository(session).register(report)

    async def claim(self, order: str) -> Checkpoint:
        """Begin the build with this id, as answers spell it: from here on it is building."""
        build_id = UUID(order)
        async with self._database.transaction() as session:
            found = await BuildDelivery(session).read(build_id)
            assert found is not None
            run_id = self._run_ids.setdefault(build_id, str(uuid4()))
            claim = Claim(build_id=build_id, generation=found.generation, run_id=run_id)
            claimed = await BuildReports(session).claim(claim, stays_open=STAYS_OPEN)
        assert claimed.build is not None, claimed.answer
        self._hint(build_id)
        return claimed.build

    async def attempt(self, build_id: UUID) -> Attempt:
        """Open an execution, after losing the one that may still run."""
        async with self._database.transaction() as session:
            executions = ExecutionRepository(session)
            await BuilderRepository(session).register(
                BuilderReport(BUILDER, uuid4(), 2, "20.10.24", None, is_limited=False)
            )
            await executions.close_left_by(BUILDER)
            execution, _is_new = await executions.open_execution(build_id, self._run_ids[build_id], BUILDER)
        self._hint(build_id)
        return Attempt(execution)

    async def write(self, attempt: Attempt, data: bytes) -> None:
        async with self._database.transaction() as session:
            chunk = LogBytes(attempt.size, data)
            await LogChunks(session).add(attempt.token, attempt.execution.log_day, chunk)
        attempt.size += len(data)
        self._hint(attempt.execution.build_id)

    async def progress(self, attempt: Attempt, step: int, steps: int, last_line: str) -> None:
        async with self._database.transaction() as session:
            await ProgressRepository(session).show(
                attempt.execution.build_id,
                attempt.execution.attempt,
                step=step,
                steps=steps,
                last_line=last_line,
            )

    async def end(
        self,
        attempt: Attempt,
        outcome: str,
        *,
        tail: str = "",
        loss: str | None = None,
        notices: tuple[str, ...] = (),
    ) -> None:
        async with self._database.transaction() as session:
            await LogFacts(session).finish(attempt.token, WrittenLog(attempt.size, tail, loss))
            await ExecutionRepository(session).end(attempt.token, ExecutionEnd(outcome, notices=notices))
        self._hint(attempt.execution.build_id)

    async def keep_log(self, attempt: Attempt, key: str) -> None:
        """Say that the whole log is an object now."""
        async with self._database.transaction() as session:
            await LogFacts(session).keep(attempt.token, key=key, sha256="", size_bytes=attempt.size)

    async def succeed(self, checkpoint: Checkpoint) -> None:
        build_id = checkpoint.build_id
        image = {"docker_image_id": f"sha256:{'1' * 64}", "image_uri": checkpoint.image, "size_bytes": 4096}
        done = checkpoint.model_copy(update={"variables": {"commit_sha": FULL_COMMIT}})
        async with self._database.transaction() as session:
            builds = BuildEnding(session)
            locked = await builds.lock_for_success(build_id, self._run_ids[build_id])
            assert locked is not None
            await builds.succeed(locked[0], locked[2], done, image)
        self._hint(build_id)

    async def fail(self, checkpoint: Checkpoint, message: str) -> None:
        self._seq += 1
        report = StateReport(
            build_id=checkpoint.build_id,
            generation=checkpoint.generation,
            run_id=self._run_ids[checkpoint.build_id],
            seq=self._seq,
            status=BuildStatus.FAILED,
            code=40,
            failure=FailureReport(message=message, code="docker_build_failed", component="build_image"),
        )
        async with self._database.transaction() as session:
            await BuildReports(session).report(report)
        self._hint(checkpoint.build_id)

    def _hint(self, build_id: UUID) -> None:
        if self._hints is not None:
            self._hints.give(build_topic(build_id))


async def begun(server: RunningApi, builder: ReportingBuilder, **order: Any) -> tuple[dict[str, Any], Checkpoint]:
    """Order an image and begin its build."""
    row = await server.order(**order)
    return row, await builder.claim(row["build_id"])


async def failed(server: RunningApi, builder: ReportingBuilder, **order: Any) -> dict[str, Any]:
    """Order an image whose build fails; return its row."""
    row, checkpoint = await begun(server, builder, **order)
    await builder.fail(checkpoint, "Docker build failed: exit code 1")
    return await server.image(row["id"])


async def succeeded(server: RunningApi, builder: ReportingBuilder, **order: Any) -> dict[str, Any]:
    """Order an image whose build succeeds; return its row."""
    row, checkpoint = await begun(server, builder, **order)
    await builder.succeed(checkpoint)
    return await server.image(row["id"])
