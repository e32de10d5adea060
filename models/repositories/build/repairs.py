"""Repairs of a build's row, by what was seen elsewhere; each is an event."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from models.repositories.build.ending import BuildEnding
from models.repositories.build.row import lock_build
from models.repositories.event import EventRepository
from models.repositories.outbox import OutboxRepository
from models.rules.build_lifecycle import OPEN
from models.rules.build_payloads import FailureReport
from models.rules.run_contract import build_key


class BuildRepairs:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session
        self._ending = BuildEnding(session)
        self._events = EventRepository(session)

    async def repair_ended_run(self, build_id: UUID, run_id: str, *, is_terminated: bool) -> bool:
        """Bring an open build in line whose run has closed; False when another run or an end came meanwhile."""
        row, now = await lock_build(self._session, build_id)
        if row is None or row.status not in OPEN or row.run_id != run_id:
            return False
        if row.cancel_requested_at is not None:
            await self._ending.cancel(row, now, is_parked=False)
        elif is_terminated:
            message = "The build's workflow was terminated in Temporal; retry the build to go on from where it stood."
            failure = FailureReport(message=message, code="workflow_terminated", component="temporal")
            await self._ending.fail(row, row.current_state, failure, now)
        await self._events.add_of(row, "build.repaired", {"ended_run": run_id, "terminated": is_terminated})
        await self._session.flush()
        await OutboxRepository(self._session).mark_dirty(build_key(build_id))
        return True
