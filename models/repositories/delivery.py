"""Dirty keys: which builds have to be delivered. A key says nothing about what to do; the build's row does."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, delete, func, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from models.rules.build_lifecycle import OPEN, BuildStatus
from models.tables.build import Build, DirtyBuild

_LEASE = timedelta(seconds=10)
_MOST_MARKED = 500
_UNCLAIMED = """
    INSERT INTO dirty_builds (build_id, version)
    SELECT id, 1 FROM builds
    WHERE kind = 'image' AND status = 'pending' AND created_at < clock_timestamp() - CAST(:since AS interval)
    ORDER BY id LIMIT :most
    ON CONFLICT (build_id) DO NOTHING
    RETURNING build_id
"""
_SILENT = """
    INSERT INTO dirty_builds (build_id, version)
    SELECT build.id, 1 FROM builds AS build
    WHERE build.kind = 'image' AND build.status = 'running'
    AND NOT EXISTS (
        SELECT FROM build_states AS state WHERE state.build_id = build.id
        AND state.entered_at > clock_timestamp() - CAST(:since AS interval)
    )
    AND NOT EXISTS (
        SELECT FROM build_executions AS execution WHERE execution.build_id = build.id
        AND execution.outcome IS NULL AND execution.lease_until > clock_timestamp()
    )
    ORDER BY build.id LIMIT :most
    ON CONFLICT (build_id) DO NOTHING
    RETURNING build_id
"""


@dataclass(frozen=True)
class DirtyKey:
    build_id: UUID
    version: int


@dataclass(frozen=True)
class DeliverableBuild:
    """What delivery needs of the row."""

    build_id: UUID
    kind: str
    image_name: str
    image_tag: str
    generation: int
    third_party_id: str | None
    project_id: UUID | None
    repo: str
    priority: int
    correlation_id: str
    is_cancel_wanted: bool  # and not settled yet


class DeliveryRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def mark_dirty(self, build_id: UUID) -> None:
        """Ask for delivery, in the transaction of the change to deliver."""
        marked = insert(DirtyBuild).values(build_id=build_id, version=1)
        marked = marked.on_conflict_do_update(
            index_elements=["build_id"], set_={"version": DirtyBuild.version + 1, "claimed_until": None}
        )
        await self._session.execute(marked)

    async def claim(self, limit: int, *, only: UUID | None = None) -> list[DirtyKey]:
        """Take keys that nobody else has for the next seconds, oldest builds first; `only` looks at one build."""
        free: ColumnElement[bool] = or_(
            col(DirtyBuild.claimed_until).is_(None), col(DirtyBuild.claimed_until) < func.clock_timestamp()
        )
        keys = select(col(DirtyBuild.build_id)).where(free).order_by(col(DirtyBuild.build_id)).limit(limit)
        if only is not None:
            keys = keys.where(col(DirtyBuild.build_id) == only)
        claimed = (
            update(DirtyBuild)
            .where(col(DirtyBuild.build_id).in_(keys.with_for_update(skip_locked=True).scalar_subquery()))
            .values(claimed_until=func.clock_timestamp() + _LEASE)
            .returning(col(DirtyBuild.build_id), col(DirtyBuild.version))
        )
        return [DirtyKey(*row) for row in await self._session.execute(claimed)]

    async def settle(self, key: DirtyKey) -> None:
        """Forget a delivered key, unless the build became dirty again meanwhile; then anybody may take it at once."""
        gone = delete(DirtyBuild).where(
            col(DirtyBuild.build_id) == key.build_id, col(DirtyBuild.version) == key.version
        )
        await self._session.execute(gone)

    async def give_back(self, key: DirtyKey, after: timedelta) -> None:
        """Let anybody try again after a while: the delivery failed."""
        freed = (
            update(DirtyBuild)
            .where(col(DirtyBuild.build_id) == key.build_id, col(DirtyBuild.version) == key.version)
            .values(claimed_until=func.clock_timestamp() + after)
        )
        await self._session.execute(freed)

    async def read(self, build_id: UUID) -> DeliverableBuild | None:
        """Return the build; None when it is gone or no workflow carries it."""
        row = (await self._session.execute(select(Build).where(col(Build.id) == build_id))).scalar_one_or_none()
        if row is None or row.image_name is None or row.image_tag is None or row.generation is None:
            return None
        is_settled = row.status not in OPEN and row.status != BuildStatus.FAILED
        return DeliverableBuild(
            build_id=row.id,
            kind=row.kind,
            image_name=row.image_name,
            image_tag=row.image_tag,
            generation=row.generation,
            third_party_id=row.third_party_id,
            project_id=row.project_id,
            repo=row.repo or "",
            priority=row.priority,
            correlation_id=row.correlation_id,
            is_cancel_wanted=row.cancel_requested_at is not None and not is_settled,
        )

    async def mark_unclaimed(self, since: timedelta) -> int:
        """Mark pending builds dirty that no run has claimed for a while; return how many. Repairs lost deliveries."""
        found = await self._session.execute(text(_UNCLAIMED), {"since": since, "most": _MOST_MARKED})
        return len(found.all())

    async def mark_silent(self, since: timedelta) -> int:
        """Mark running builds dirty at which nothing happens: no live execution, no state entered for long.

        Most of them only wait for a slot, and a poke harms nobody; but one may have lost its run, with Temporal's data.
        """
        found = await self._session.execute(text(_SILENT), {"since": since, "most": _MOST_MARKED})
        return len(found.all())
