"""All SQL of what builds wait for: told by their stages, or read from their place in the queue."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, and_, case, exists, func, literal, null, or_, select, true, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from models.rules.build_lifecycle import OPEN, BuildStatus, StateCode
from models.rules.errors.stored import OUTAGE_CODES
from models.rules.waiting import LOST_AT_ONCE, ToldWait, next_try_in, sentence
from models.tables.build import Build
from models.tables.execution import BuildExecution
from models.tables.waiting import BuildWait, SourceFetch

# between the end of an attempt and the report that follows from it, its build is in no queue
_JUST_ENDED = timedelta(seconds=2)
_QUEUED = {(BuildStatus.RUNNING, StateCode.FETCH_SOURCE), (BuildStatus.RUNNING, StateCode.BUILD)}


@dataclass(frozen=True)
class WaitingBuild:
    """A build that may wait, its newest attempt, and what its stage told."""

    build: Build
    execution: BuildExecution | None
    told: BuildWait | None

    @property
    def is_worked_on(self) -> bool:
        return self.execution is not None and self.execution.outcome is None

    @property
    def may_be_queued(self) -> bool:
        at = (self.build.status, self.build.current_state)
        return at in _QUEUED and not self.is_worked_on

    def sentence(self, place: int | None) -> str | None:
        if self.build.status not in OPEN:
            return None
        told, execution = self.told, self.execution
        if told is None or told.waits_for is None:
            shown = None
        elif self.is_worked_on and execution is not None and execution.started_at > told.told_at:
            shown = None  # it was told of a try before this attempt
        else:
            shown = ToldWait(told.waits_for, told.next_try_at)
        return sentence(is_paused=self.build.paused and not self.is_worked_on, told=shown, place=place)


def holds() -> ColumnElement[bool]:
    """Say in SQL whether what was told of a build is still true of it."""
    return and_(
        col(BuildWait.build_id) == col(Build.id),
        col(BuildWait.epoch) == col(Build.epoch),
        col(BuildWait.seq) == col(Build.seq),
        col(Build.status) == BuildStatus.RUNNING,
    )


def _has_worked_since() -> ColumnElement[bool]:
    """Say in SQL whether an attempt began after the wait was told, and worked: then another one is a new wait."""
    is_lost_at_once = and_(
        col(BuildExecution.error_code).in_(OUTAGE_CODES),
        col(BuildExecution.ended_at) < col(BuildExecution.started_at) + LOST_AT_ONCE,
    )
    return exists().where(
        col(BuildExecution.build_id) == col(BuildWait.build_id),
        col(BuildExecution.started_at) > col(BuildWait.told_at),
        func.coalesce(~is_lost_at_once, true()),
    )


class WaitRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def tell(self, build_id: UUID, code: int, what: str, *, next_try_in: timedelta | None = None) -> bool:
        """Store what the stage of a state waits for, over what it told before. A repeat says the same.

        False, and nothing stored, when the build is not in that state any more.
        """
        return await self._store(build_id, code, what, next_try_in=next_try_in, since=None, tries=0)

    async def fail_try(
        self, build_id: UUID, code: int, what: str, *, patience: timedelta, asked_for: timedelta | None = None
    ) -> timedelta | None:
        """Store that a try at a state met what cannot be reached, and say when the next one is to be.

        None: it has waited long enough, since the first of them with no work in between.
        """
        begun = select(col(BuildWait.since)).join(Build, holds())
        first = begun.where(col(Build.id) == build_id, ~_has_worked_since()).scalar_subquery()
        now = func.clock_timestamp()
        since, waited = (await self._session.execute(select(func.coalesce(first, now), now - first))).one()
        delay = next_try_in(waited or timedelta(0), patience, asked_for)
        await self._store(build_id, code, what, next_try_in=delay, since=since, tries=1)
        return delay

    async def _store(
        self,
        build_id: UUID,
        code: int,
        what: str,
        *,
        next_try_in: timedelta | None,
        since: datetime | None,
        tries: int,
    ) -> bool:
        """Write the row of the stay in this state; what is not said of it stays as it was."""
        now = func.clock_timestamp()
        told = select(
            col(Build.id),
            col(Build.epoch),
            col(Build.seq),
            literal(what),
            now + next_try_in if next_try_in is not None else null(),
            literal(since) if since is not None else null(),
            now,
            literal(tries),
        ).where(
            col(Build.id) == build_id,
            col(Build.status) == BuildStatus.RUNNING,
            col(Build.current_state) == code,
        )
        columns = ["build_id", "epoch", "seq", "waits_for", "next_try_at", "since", "told_at", "tries"]
        stored = postgresql.insert(BuildWait).from_select(columns, told)
        new = stored.excluded
        is_same_stay = and_(col(BuildWait.epoch) == new.epoch, col(BuildWait.seq) == new.seq)
        changes = {name: new[name] for name in columns[1:]} | {
            "since": case((is_same_stay, func.coalesce(new.since, col(BuildWait.since))), else_=new.since),
            "tries": case((is_same_stay, col(BuildWait.tries) + new.tries), else_=new.tries),
        }
        written = stored.on_conflict_do_update(index_elements=["build_id"], set_=changes)
        return (await self._session.execute(written.returning(col(BuildWait.build_id)))).first() is not None

    async def clear(self, build_id: UUID, code: int) -> None:
        """Say that the stage of a state works again.

        Since when it waits and how many tries that cost stays known: bytes that come are no source yet.
        """
        await self._session.execute(
            update(BuildWait)
            .where(col(BuildWait.build_id) == build_id, col(Build.current_state) == code, holds())
            .values(waits_for=None, next_try_at=None, told_at=func.clock_timestamp())
            .execution_options(synchronize_session=False)
        )

    async def tries(self, build_id: UUID) -> int:
        """Return how many tries of the state that the build is in met what cannot be reached."""
        found = select(col(BuildWait.tries)).join(Build, holds()).where(col(Build.id) == build_id)
        return (await self._session.scalar(found)) or 0

    async def sentences(self, builds: Sequence[WaitingBuild]) -> list[str | None]:
        """Return what each of these waits for; one query when some may stand in the queue for a slot, else none."""
        queued = [each.build.id for each in builds if each.may_be_queued]
        places = await self.places(queued) if queued else {}
        return [each.sentence(places.get(each.build.id)) for each in builds]

    async def places(self, build_ids: Collection[UUID]) -> dict[UUID, int]:
        """Return the places of those of these builds that wait for a slot: by priority, then age, 1 first."""
        works = exists().where(
            col(BuildExecution.build_id) == col(Build.id),
            or_(
                and_(col(BuildExecution.outcome).is_(None), col(BuildExecution.lease_until) > func.clock_timestamp()),
                col(BuildExecution.ended_at) > func.clock_timestamp() - _JUST_ENDED,
            ),
        )
        is_fetched = exists().where(
            col(SourceFetch.build_id) == col(Build.id),
            col(SourceFetch.lease_until) > func.clock_timestamp(),
            col(Build.current_state) == StateCode.FETCH_SOURCE,
        )
        place = func.row_number().over(order_by=(col(Build.priority), col(Build.id))).label("place")
        queue = (
            select(col(Build.id), place)
            .where(
                col(Build.status) == BuildStatus.RUNNING,
                col(Build.current_state).in_((StateCode.FETCH_SOURCE, StateCode.BUILD)),
                ~col(Build.paused),
                col(Build.cancel_requested_at).is_(None),
                ~works,
                ~is_fetched,
            )
            .subquery()
        )
        found = await self._session.execute(select(queue.c.id, queue.c.place).where(queue.c.id.in_(build_ids)))
        return {row.id: row.place for row in found}
