"""All SQL of the fence: executions and their leases, which run by the database's clock."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ColumnElement, and_, cast, exists, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.types import Date
from sqlmodel import col

from models.repositories.build_trail import BuildTrailRepository
from models.repositories.event import EventRepository
from models.repositories.progress import ProgressRepository
from models.repositories.run import RunRepository
from models.rules.build_lifecycle import OPEN, StateCode
from models.rules.errors.domain import DomainError
from models.rules.errors.engine import ExecutionLost, NoFreeSlot
from models.rules.notices import gathered
from models.tables.build import Build, BuildState
from models.tables.execution import LEASE, Builder, BuildExecution

_MOST_ABANDONED = 500


@dataclass(frozen=True)
class ExecutionEnd:
    """How an execution ended; what is known of its log is told apart, to LogFacts."""

    outcome: str
    docker_image_id: str | None = None
    error: DomainError | None = None
    notices: Sequence[str] = ()


class ExecutionRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session
        self._trail = BuildTrailRepository(session)
        self._events = EventRepository(session)
        self._progress = ProgressRepository(session)

    async def close_left_by(self, builder: str) -> list[BuildExecution]:
        """Close what an earlier start of a builder left running; return those."""
        return await self._mark_lost(col(BuildExecution.builder) == builder, why="the worker that ran it ended")

    async def close_unheld(self, builder: str, held: Collection[int]) -> list[BuildExecution]:
        """Close what a builder opened and never ran, because it heard nothing of the opening; return those."""
        unheld = and_(col(BuildExecution.builder) == builder, ~_has_lease(), col(BuildExecution.token).not_in(held))
        return await self._mark_lost(unheld, why="its builder did not learn that it was opened")

    async def abandoned(self) -> list[int]:
        """Return executions whose lease ran out and whose build has ended, some hundreds at most."""
        left = select(col(BuildExecution.token)).join(Build, col(Build.id) == col(BuildExecution.build_id))
        left = left.where(col(BuildExecution.outcome).is_(None), ~_has_lease(), col(Build.status).not_in(OPEN))
        found = await self._session.execute(left.order_by(col(BuildExecution.token)).limit(_MOST_ABANDONED))
        return [token for token in found.scalars() if token is not None]

    async def close_abandoned(self, tokens: Collection[int]) -> list[BuildExecution]:
        """Close those of these whose lease has not been prolonged; return them."""
        return await self._mark_lost(
            and_(col(BuildExecution.token).in_(tokens), ~_has_lease()), why="its builder was not heard of any more"
        )

    async def open_execution(
        self, build_id: UUID, run_id: str, builder: str, *, held: Collection[int] = (), may_take_over: bool = True
    ) -> tuple[BuildExecution, bool]:
        """Return the execution to watch, and whether it is new and the caller's to run.

        Under the builder row's lock: Temporal decides who is next, Postgres decides whether. An outcome since the
        state was entered is taken; else a live execution is joined, wherever it runs; only then one is begun. The
        tokens `held` are those of executions that the builder runs, live whatever became of their leases;
        `may_take_over` is False while builders that could not reach Postgres may not have told yet that they live.

        Raises NoFreeSlot; ExecutionLost when the build is no longer this run's.
        """
        locked = select(Builder).where(col(Builder.name) == builder).with_for_update()
        host = (await self._session.execute(locked)).scalar_one()
        build = (
            await self._session.execute(select(Build).where(col(Build.id) == build_id).with_for_update(key_share=True))
        ).scalar_one()
        if build.status not in OPEN or not await RunRepository(self._session).is_current(build, run_id):
            raise ExecutionLost("Another run took this build over, or it has ended.")
        known = await self.known_execution(build_id, held=held)
        if known is not None:
            return known, False
        if not may_take_over and await self._is_unended(build_id):
            raise NoFreeSlot("The builder that was at work on this build may not have found its way back yet.")
        await self._close_lost_of_build(build)
        at_work = select(func.count()).where(
            col(BuildExecution.builder) == builder, col(BuildExecution.outcome).is_(None), _is_at_work(held)
        )
        if ((await self._session.scalar(at_work)) or 0) >= host.slots:
            raise NoFreeSlot(f"Builder {builder} has no free slot; the build waits for one.")
        build.attempt += 1
        await self._session.flush()
        opened = (
            insert(BuildExecution)
            .values(
                build_id=build_id,
                attempt=build.attempt,
                builder=builder,
                started_at=func.clock_timestamp(),
                lease_until=func.clock_timestamp() + LEASE,
                log_day=cast(func.clock_timestamp(), Date),
            )
            .returning(BuildExecution)
        )
        execution = (await self._session.execute(opened)).scalar_one()
        await self._event("build.attempt_started", execution, {"attempt": build.attempt, "builder": builder})
        return execution, True

    async def known_execution(self, build_id: UUID, *, held: Collection[int] = ()) -> BuildExecution | None:
        """Return what the build came to since state 40 was entered, or the execution that is on its way to that.

        A cancelled one counts when the build's cancel is wanted; one that is lost never does.
        """
        is_wanted = exists().where(col(Build.id) == build_id, col(Build.cancel_requested_at).is_not(None))
        outcome = col(BuildExecution.outcome)
        is_decided = or_(outcome.in_(("succeeded", "failed")), and_(outcome == "cancelled", is_wanted))
        known = select(BuildExecution).where(
            col(BuildExecution.build_id) == build_id,
            or_(and_(outcome.is_(None), _is_at_work(held)), and_(is_decided, _is_of_state(build_id))),
        )
        newest = known.order_by(col(BuildExecution.attempt).desc()).limit(1)
        return (await self._session.execute(newest)).scalar_one_or_none()

    async def look_at(self, token: int) -> tuple[BuildExecution, bool]:
        """Return an execution and whether it lives, in one look: between two it could end."""
        is_live = and_(col(BuildExecution.outcome).is_(None), _has_lease())
        found = select(BuildExecution, is_live).where(col(BuildExecution.token) == token)
        execution, lives = (await self._session.execute(found)).one()
        return execution, lives

    async def close_lost(self, token: int) -> None:
        """Close an execution whose lease is gone, unless somebody did."""
        await self._session.execute(
            update(BuildExecution)
            .where(col(BuildExecution.token) == token, col(BuildExecution.outcome).is_(None))
            .values(
                outcome="lost",
                ended_at=func.clock_timestamp(),
                error="The attempt was ended: its lease was lost, or its build ended otherwise.",
            )
            .execution_options(synchronize_session=False)
        )

    async def lock_current(self, build_id: UUID) -> BuildExecution | None:
        """Lock the build's newest execution: the only one whose image may become the build's."""
        newest = select(BuildExecution).where(col(BuildExecution.build_id) == build_id)
        newest = newest.order_by(col(BuildExecution.attempt).desc()).limit(1).with_for_update()
        return (await self._session.execute(newest)).scalar_one_or_none()

    async def end(self, token: int, end: ExecutionEnd) -> None:
        """Close an execution; raise ExecutionLost when somebody closed it.

        A lease that ran out unnoticed, as while Postgres was away, takes nothing from an outcome.
        """
        error = end.error
        closed = (
            update(BuildExecution)
            .where(col(BuildExecution.token) == token, col(BuildExecution.outcome).is_(None))
            .values(
                outcome=end.outcome,
                ended_at=func.clock_timestamp(),
                docker_image_id=end.docker_image_id,
                error=error.detail if error else None,
                error_code=error.code if error else None,
                failing_step=getattr(error, "failing_step", None),
                exit_code=getattr(error, "exit_code", None),
                notices=gathered(end.notices),
            )
            .returning(BuildExecution)
            .execution_options(synchronize_session=False)
        )
        row = (await self._session.execute(closed)).scalar_one_or_none()
        if row is None:
            raise ExecutionLost("This build attempt was given up; another attempt takes its place.")
        await self._event("build.attempt_ended", row, {"attempt": row.attempt, "outcome": end.outcome})
        if end.outcome == "succeeded":
            await self._progress.complete(row.build_id, row.attempt)

    async def unfinished_builds(self, build_ids: list[UUID]) -> set[UUID]:
        """Return which of these builds may still go on, so that their attempts' images must stay."""
        found = select(col(Build.id)).where(
            col(Build.id).in_(build_ids),
            (col(Build.status).in_(OPEN)) | ((col(Build.status) == "failed") & col(Build.closed_at).is_(None)),
        )
        return set((await self._session.execute(found)).scalars())

    async def _is_unended(self, build_id: UUID) -> bool:
        unended = exists().where(col(BuildExecution.build_id) == build_id, col(BuildExecution.outcome).is_(None))
        return bool(await self._session.scalar(select(unended)))

    async def _close_lost_of_build(self, build: Build) -> None:
        """Close expired executions of a build, and begin state 40 again for the one that comes."""
        await self._mark_lost(col(BuildExecution.build_id) == build.id, why="its builder was not heard of any more")
        was_cut_off = exists().where(_is_of_state(build.id))
        now, is_again = (await self._session.execute(select(func.clock_timestamp(), was_cut_off))).one()
        if is_again:
            await self._trail.retry_state(build.id, StateCode.BUILD, now, "the attempt was cut off")

    async def _mark_lost(self, whose: ColumnElement[bool], *, why: str) -> list[BuildExecution]:
        marked = (
            update(BuildExecution)
            .where(whose, col(BuildExecution.outcome).is_(None))
            .values(outcome="lost", ended_at=func.clock_timestamp(), error=f"The attempt was lost: {why}.")
            .returning(BuildExecution)
            .execution_options(synchronize_session=False)
        )
        lost = list((await self._session.execute(marked)).scalars())
        for execution in lost:
            await self._event("build.attempt_ended", execution, {"attempt": execution.attempt, "outcome": "lost"})
        return lost

    async def _event(self, event_type: str, execution: BuildExecution, payload: dict[str, object]) -> None:
        await self._events.add_build_event(
            event_type, execution.build_id, generation=None, actor=f"builder/{execution.builder}", payload=payload
        )


def _has_lease() -> ColumnElement[bool]:
    return col(BuildExecution.lease_until) > func.clock_timestamp()


def _is_at_work(held: Collection[int]) -> ColumnElement[bool]:
    return or_(_has_lease(), col(BuildExecution.token).in_(held))


def _is_of_state(build_id: UUID) -> ColumnElement[bool]:
    """Say in SQL whether an execution began since state 40 was entered: one whose failure was resumed did not."""
    entered_at = select(col(BuildState.entered_at)).where(
        col(BuildState.build_id) == build_id,
        col(BuildState.state_code) == StateCode.BUILD,
        col(BuildState.status) == "in_progress",
    )
    return and_(
        col(BuildExecution.build_id) == build_id, col(BuildExecution.started_at) >= entered_at.scalar_subquery()
    )
