"""All SQL of builder hosts: who builds, with how many slots, and who lives by the database's clock."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import exists, func, or_, select, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from models.rules.build_lifecycle import OPEN
from models.tables.build import Build
from models.tables.event import Installation
from models.tables.execution import LEASE, SEEN_WITHIN, Builder, BuildExecution

_MOST_BUILDERS = 1000


@dataclass(frozen=True)
class BuilderReport:
    """What a builder says of itself with each beat; `engine_error` is None while its engine answers."""

    name: str
    incarnation: UUID
    slots: int
    engine_version: str | None
    engine_error: str | None
    is_limited: bool
    builds_by: str | None = None
    clips_at: str | None = None  # the limit at which its engine was last seen to clip a log


@dataclass(frozen=True)
class LostLease:
    """An execution whose work must end: somebody gave it up, or its build has ended without it."""

    token: int
    build_id: UUID
    is_given_up: bool


@dataclass(frozen=True)
class BuilderView:
    name: str
    slots: int
    busy: int
    is_live: bool
    engine_version: str | None
    engine_error: str | None
    is_limited: bool
    builds_by: str | None
    clips_at: str | None


class BuilderRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def instance(self) -> UUID:
        """Return who this installation is, for labels at engines."""
        return (await self._session.execute(select(col(Installation.instance)))).scalar_one()

    async def register(self, report: BuilderReport) -> None:
        """Write the builder's row for a new start."""
        values = _builder_columns(report)
        row = postgresql.insert(Builder).values(name=report.name, started_at=func.now(), **values)
        row = row.on_conflict_do_update(index_elements=["name"], set_={**values, "started_at": func.now()})
        await self._session.execute(row)

    async def leave(self, report: BuilderReport) -> None:
        """Say that the builder has stopped in order, so that nobody counts on it until it comes back."""
        await self._session.execute(
            update(Builder)
            .where(col(Builder.name) == report.name, col(Builder.incarnation) == report.incarnation)
            .values(seen_at=func.clock_timestamp() - SEEN_WITHIN)
            .execution_options(synchronize_session=False)
        )

    async def beat(self, report: BuilderReport, tokens: Collection[int]) -> list[LostLease]:
        """Say that the builder lives and prolong its leases; return those of `tokens` whose work must end.

        A lease that ran out is prolonged while nobody took its place: Postgres may have been away. The lease of a build
        that has ended otherwise (its workflow was terminated, say) is not.
        """
        await self._session.execute(
            update(Builder)
            .where(col(Builder.name) == report.name, col(Builder.incarnation) == report.incarnation)
            .values(**_builder_columns(report))
            .execution_options(synchronize_session=False)
        )
        prolonged = await self._session.execute(
            update(BuildExecution)
            .where(
                col(BuildExecution.token).in_(tokens),
                col(BuildExecution.build_id) == col(Build.id),
                col(Build.status).in_(OPEN),
                col(BuildExecution.outcome).is_(None),
            )
            .values(lease_until=func.clock_timestamp() + LEASE)
            .returning(col(BuildExecution.token))
            .execution_options(synchronize_session=False)
        )
        others = set(tokens) - set(prolonged.scalars())
        if not others:
            return []
        # not those with an outcome of their own: their builder has just told it
        lost = (
            select(col(BuildExecution.token), col(BuildExecution.build_id), col(BuildExecution.outcome).is_not(None))
            .where(col(BuildExecution.token).in_(others))
            .where(or_(col(BuildExecution.outcome).is_(None), col(BuildExecution.outcome) == "lost"))
        )
        return [
            LostLease(token or 0, build_id, given_up) for token, build_id, given_up in await self._session.execute(lost)
        ]

    async def is_another_engine_there(self, but: str) -> bool:
        """Say whether a live builder, other than this one, has an engine that answers."""
        others = exists().where(
            col(Builder.name) != but,
            col(Builder.engine_error).is_(None),
            col(Builder.seen_at) > func.clock_timestamp() - SEEN_WITHIN,
        )
        return bool(await self._session.scalar(select(others)))

    async def seen(self) -> list[BuilderView]:
        """Return every builder that was seen within a day, with its live leases."""
        busy = (
            select(func.count())
            .where(
                col(BuildExecution.builder) == col(Builder.name),
                col(BuildExecution.outcome).is_(None),
                col(BuildExecution.lease_until) > func.clock_timestamp(),
            )
            .scalar_subquery()
        )
        is_live = col(Builder.seen_at) > func.clock_timestamp() - SEEN_WITHIN
        known = select(Builder, busy, is_live).where(col(Builder.seen_at) > func.now() - timedelta(days=1))
        rows = await self._session.execute(known.order_by(col(Builder.name)).limit(_MOST_BUILDERS))
        return [
            BuilderView(
                name=row.name,
                slots=row.slots,
                busy=busy or 0,
                is_live=live,
                engine_version=row.engine_version,
                engine_error=row.engine_error,
                is_limited=row.is_limited,
                builds_by=row.builds_by,
                clips_at=row.clips_at,
            )
            for row, busy, live in rows
        ]


def _builder_columns(report: BuilderReport) -> dict[str, object]:
    return {
        "incarnation": report.incarnation,
        "slots": report.slots,
        "engine_version": report.engine_version,
        "engine_error": report.engine_error,
        "is_limited": report.is_limited,
        "builds_by": report.builds_by,
        "clips_at": report.clips_at,
        "seen_at": func.clock_timestamp(),
    }
