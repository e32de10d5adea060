"""All SQL of the look-ahead: how many sources are fetched before a builder has a slot for them."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, and_, delete, exists, func, literal, or_, select, true, tuple_
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from models.rules.build_lifecycle import BuildStatus, StateCode
from models.tables.build import Build
from models.tables.execution import SEEN_WITHIN, Builder, BuildExecution
from models.tables.waiting import SourceFetch

SOURCES_AHEAD_PER_SLOT = 2
FETCH_LEASE = timedelta(seconds=15)  # whose worker is gone holds nobody up for longer
_BEGIN_LOCK = 7_120_733_015  # one key: who begins a download counts first


class LookAheadRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def room(self, of: UUID | None = None) -> int:
        """Return how many more sources may be fetched now; none or less while enough are ahead of the builders.

        At most twice as many as there are slots may be on their way or lie ready before the next one that waits, or
        before that `of` a build: who is more urgent than all of them is fetched, too. What lies ready while a slot is
        free hangs, or it would be built: it does not keep the slots that are free from getting work.
        """
        slots, free = await self._slots()
        whose = and_(_goes_on(StateCode.FETCH_SOURCE), ~_is_on_its_way()) if of is None else col(Build.id) == of
        order = (col(Build.priority), col(Build.id))
        next_one = (await self._session.execute(select(*order).where(whose).order_by(*order).limit(1))).first()
        comes_before: ColumnElement[bool] = true()
        if next_one is not None:
            comes_before = tuple_(*order) < tuple_(*map(literal, next_one))
        on_the_way = func.count().filter(_is_on_its_way())
        before = func.count().filter(comes_before)
        counted = select(before, on_the_way).where(or_(_is_on_its_way(), _lies_ready()))
        ahead, fetching = (await self._session.execute(counted)).one()
        return max(SOURCES_AHEAD_PER_SLOT * slots - ahead, free - fetching)

    async def begin(self, build_id: UUID) -> bool:
        """Begin, or go on with, the build's download; False while there is no room for it."""
        await self._session.execute(select(func.pg_advisory_xact_lock(_BEGIN_LOCK)))
        goes_on = select(exists().where(col(Build.id) == build_id, _is_on_its_way()))
        if not await self._session.scalar(goes_on) and await self.room(build_id) <= 0:
            return False
        await self.keep(build_id)
        return True

    async def keep(self, build_id: UUID) -> None:
        """Say that the build's download goes on."""
        until = func.clock_timestamp() + FETCH_LEASE
        kept = postgresql.insert(SourceFetch).values(build_id=build_id, lease_until=until)
        await self._session.execute(
            kept.on_conflict_do_update(index_elements=["build_id"], set_={"lease_until": until})
        )

    async def leave(self, build_id: UUID) -> None:
        """Say that the build's download hangs, or has ended without a source. A repeat is harmless."""
        await self._session.execute(delete(SourceFetch).where(col(SourceFetch.build_id) == build_id))

    async def _slots(self) -> tuple[int, int]:
        """Return how many slots live builders have, and how many of those stand free at engines that answer."""
        is_live = col(Builder.seen_at) > func.clock_timestamp() - SEEN_WITHIN
        busy = (
            select(func.count())
            .where(col(BuildExecution.builder) == col(Builder.name), _is_live_execution())
            .scalar_subquery()
        )
        free = func.sum(func.greatest(col(Builder.slots) - busy, 0)).filter(col(Builder.engine_error).is_(None))
        found = await self._session.execute(select(func.sum(col(Builder.slots)), free).where(is_live))
        slots, unused = found.one()
        return int(slots or 1), int(unused or 0)


def _is_live_execution() -> ColumnElement[bool]:
    return and_(col(BuildExecution.outcome).is_(None), col(BuildExecution.lease_until) > func.clock_timestamp())


def _goes_on(code: StateCode) -> ColumnElement[bool]:
    """Say in SQL whether a build is at a state and nobody holds it up."""
    return and_(
        col(Build.status) == BuildStatus.RUNNING,
        col(Build.current_state) == code,
        ~col(Build.paused),
        col(Build.cancel_requested_at).is_(None),
    )


def _is_on_its_way() -> ColumnElement[bool]:
    is_leased = exists().where(
        col(SourceFetch.build_id) == col(Build.id), col(SourceFetch.lease_until) > func.clock_timestamp()
    )
    return and_(_goes_on(StateCode.FETCH_SOURCE), is_leased)


def _lies_ready() -> ColumnElement[bool]:
    is_built = exists().where(col(BuildExecution.build_id) == col(Build.id), _is_live_execution())
    return and_(_goes_on(StateCode.BUILD), ~is_built)
