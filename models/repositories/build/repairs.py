"""Repairs of a build's row, by what was seen elsewhere; each is an event."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from models.repositories.build.ending import BuildEnding
from models.repositories.build.row import lock_build
from models.repositories.event import EventRepository
from models.repositories.outbox import OutboxRepository
from models.rules.build_lifecycle import OPEN
from models.rules.build_payloads import FailureReport
from models.rules.run_contract import build_key, image_workflow_id
from models.tables.build import Build


@dataclass(frozen=True)
class OpenBuild:
    """A build under way, as it was seen: a report or a claim since then makes it another one."""

    build_id: UUID
    workflow_id: str
    status: str
    epoch: int
    seq: int


class BuildRepairs:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session
        self._ending = BuildEnding(session)
        self._events = EventRepository(session)
        self._outbox = OutboxRepository(session)

    async def open_builds(self, after: OpenBuild | None, *, limit: int) -> list[OpenBuild]:
        """Return the next page of image builds under way, oldest first."""
        opened = select(Build).where(col(Build.status).in_(OPEN), col(Build.kind) == "image")
        if after is not None:
            opened = opened.where(col(Build.id) > after.build_id)
        page = (await self._session.execute(opened.order_by(col(Build.id)).limit(limit))).scalars()
        return [_seen(row) for row in page]

    async def carry_again(self, build: OpenBuild, rule: str) -> bool:
        """Have a build delivered again, so that it gets a run; False when it has moved since it was seen."""
        locked = await self._lock(build)
        if locked is None:
            return False
        await self._tell(locked[0], rule)
        await self._outbox.mark_dirty(build_key(build.build_id))
        return True

    async def fail(self, build: OpenBuild, rule: str, failure: FailureReport) -> bool:
        """End a build in a failure that may be resumed, or as cancelled when that is wanted; False as above."""
        locked = await self._lock(build)
        if locked is None:
            return False
        row, now = locked
        if row.cancel_requested_at is not None:
            await self._ending.cancel(row, now, is_parked=False)
        else:
            await self._ending.fail(row, row.current_state, failure, now)
            await self._outbox.mark_dirty(build_key(build.build_id))  # it waits to be resumed in a run of its own
        await self._tell(row, rule)
        return True

    async def cancel(self, build: OpenBuild, rule: str) -> bool:
        """End a build as cancelled; False as above."""
        locked = await self._lock(build)
        if locked is None:
            return False
        await self._ending.cancel(*locked, is_parked=False)
        await self._tell(locked[0], rule)
        return True

    async def _lock(self, build: OpenBuild) -> tuple[Build, datetime] | None:
        row, now = await lock_build(self._session, build.build_id)
        return None if row is None or _seen(row) != build else (row, now)

    async def _tell(self, row: Build, rule: str) -> None:
        await self._events.add_of(row, "build.repaired", {"rule": rule, "run_id": row.run_id})
        await self._session.flush()


def _seen(row: Build) -> OpenBuild:
    workflow_id = image_workflow_id(row.image_name or "", row.image_tag or "", row.generation or 0)
    return OpenBuild(row.id, workflow_id, row.status, row.epoch, row.seq)
