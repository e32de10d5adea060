"""A build's row under its lock: whatever is decided about a build is decided on it."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from models.rules.build_lifecycle import BuildFacts, BuildStatus
from models.tables.build import Build

TEMPORAL_ACTOR = "temporal"  # who acts when an operator speaks to Temporal itself


async def lock_build(session: AsyncSession, build_id: UUID) -> tuple[Build | None, datetime]:
    """Lock a build's row; return it with the database's time, or None when there is no such build."""
    found = await session.execute(
        select(Build, func.clock_timestamp()).where(col(Build.id) == build_id).with_for_update(key_share=True)
    )
    row = found.one_or_none()
    if row is None:
        return None, datetime.min  # noqa: DTZ901 - never looked at: there is no row
    return row[0], row[1]


def facts_of(row: Build, *, open_for: timedelta = timedelta(0)) -> BuildFacts:
    """Return what the rules look at; `open_for` is what is left of the time a failed build waits, where that counts."""
    return BuildFacts(
        status=BuildStatus(row.status),
        is_closed=row.closed_at is not None,
        is_cancel_wanted=row.cancel_requested_at is not None,
        open_for=open_for,
    )
