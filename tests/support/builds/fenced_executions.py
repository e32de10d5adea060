"""Attempts of builds as the repository opens and ends them: a transaction a call."""

from typing import Any
from uuid import UUID, uuid4

from models.postgres.database import Database
from models.repositories.builder import BuilderReport, BuilderRepository
from models.repositories.execution import ExecutionEnd, ExecutionRepository
from models.repositories.log.facts import LogFacts, WrittenLog
from models.tables.execution import BuildExecution
from tests.support.builds.stored_builds import IMAGE_ID, Ordered, StoredBuilds

BUILDER = "host-1"
DONE = ExecutionEnd(outcome="succeeded", docker_image_id=IMAGE_ID)
LOG = WrittenLog(10, "done\n")


def described(name: str = BUILDER, *, slots: int = 2, incarnation: UUID | None = None) -> BuilderReport:
    return BuilderReport(
        name=name,
        incarnation=incarnation or uuid4(),
        slots=slots,
        engine_version="20.10.24",
        engine_error=None,
        is_limited=False,
    )


class Fence:
    """The repository, a transaction a call."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def register(self, report: BuilderReport) -> list[BuildExecution]:
        async with self._database.transaction() as session:
            await BuilderRepository(session).register(report)
            return await ExecutionRepository(session).close_left_by(report.name)

    async def beat(self, report: BuilderReport, *executions: BuildExecution) -> list[tuple[int, bool]]:
        """Return the tokens that are lost, and whether they were given up."""
        async with self._database.transaction() as session:
            lost = await BuilderRepository(session).beat(report, [token_of(execution) for execution in executions])
        return [(lease.token, lease.is_given_up) for lease in lost]

    async def open(
        self, build: Ordered, builder: str = BUILDER, run_id: str = "run-1", **more: Any
    ) -> tuple[BuildExecution, bool]:
        async with self._database.transaction() as session:
            return await ExecutionRepository(session).open_execution(build.build_id, run_id, builder, **more)

    async def close_unheld(self, builder: str, *held: BuildExecution) -> list[BuildExecution]:
        async with self._database.transaction() as session:
            return await ExecutionRepository(session).close_unheld(builder, {token_of(each) for each in held})

    async def end(self, execution: BuildExecution, end: ExecutionEnd = DONE, log: WrittenLog = LOG) -> None:
        async with self._database.transaction() as session:
            await LogFacts(session).finish(token_of(execution), log)
            await ExecutionRepository(session).end(token_of(execution), end)

    async def read(self, execution: BuildExecution) -> BuildExecution:
        async with self._database.transaction() as session:
            return (await ExecutionRepository(session).look_at(token_of(execution)))[0]

    async def current(self, build: Ordered) -> BuildExecution | None:
        async with self._database.transaction() as session:
            return await ExecutionRepository(session).lock_current(build.build_id)


def token_of(execution: BuildExecution) -> int:
    assert execution.token is not None
    return execution.token


async def expire(builds: StoredBuilds, execution: BuildExecution) -> None:
    """Let a lease run out, as if its builder had been silent for longer."""
    await builds.fetch(
        "UPDATE build_executions SET lease_until = clock_timestamp() WHERE token = :t RETURNING token",
        t=token_of(execution),
    )
