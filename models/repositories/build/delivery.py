"""What delivery needs of builds' rows, and the marking of builds that nobody seems to carry."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from models.rules.build_lifecycle import OPEN, BuildStatus
from models.tables.build import Build

_MOST_MARKED = 500
_UNCLAIMED = """
    INSERT INTO dirty_keys (kind, id, version)
    SELECT 'build', id::text, 1 FROM builds
    WHERE kind = 'image' AND status = 'pending' AND created_at < clock_timestamp() - CAST(:since AS interval)
    ORDER BY id LIMIT :most
    ON CONFLICT (kind, id) DO NOTHING
    RETURNING id
"""
_UNCANCELLED = """
    INSERT INTO dirty_keys (kind, id, version)
    SELECT 'build', id::text, 1 FROM builds
    WHERE kind = 'image' AND status IN ('pending', 'running')
    AND cancel_requested_at < clock_timestamp() - CAST(:since AS interval)
    ORDER BY id LIMIT :most
    ON CONFLICT (kind, id) DO NOTHING
    RETURNING id
"""


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


class BuildDelivery:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

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

    async def mark_uncancelled(self, since: timedelta) -> int:
        """Mark builds dirty whose cancel has been wanted for a while, and that go on; return how many.

        A cancel may be lost with the run that it was told: one that was reset, or deleted with all it knew.
        """
        found = await self._session.execute(text(_UNCANCELLED), {"since": since, "most": _MOST_MARKED})
        return len(found.all())

    async def mark_unclaimed(self, since: timedelta) -> int:
        """Mark pending builds dirty that no run has claimed for a while; return how many. Repairs lost deliveries."""
        found = await self._session.execute(text(_UNCLAIMED), {"since": since, "most": _MOST_MARKED})
        return len(found.all())
