"""How a build ends: in success, failed, cancelled, or closed for good. The callers hold the row's lock."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from models.repositories.build.row import TEMPORAL_ACTOR, facts_of, lock_build
from models.repositories.build_trail import BuildTrailRepository
from models.repositories.event import OWN_ACTOR, EventRepository
from models.repositories.image_rows import ImageRows
from models.repositories.outbox import OutboxRepository
from models.repositories.run import RunRepository
from models.rules.build_lifecycle import OPEN, BuildFacts, BuildStatus, StateCode, advance
from models.rules.build_payloads import Checkpoint, FailureReport
from models.rules.run_contract import build_key
from models.tables.build import Build


class BuildEnding:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session
        self._trail = BuildTrailRepository(session)
        self._runs = RunRepository(session)
        self._events = EventRepository(session)
        self._images = ImageRows(session)
        self._outbox = OutboxRepository(session)

    async def lock_for_success(self, build_id: UUID, run_id: str) -> tuple[Build, BuildFacts, datetime] | None:
        """Lock the row of a build that is about to be registered; None when another run reports for it now."""
        row, now = await lock_build(self._session, build_id)
        if row is None or not await self._runs.is_current(row, run_id):
            return None
        return row, facts_of(row), now

    async def succeed(self, row: Build, now: datetime, checkpoint: Checkpoint, image: dict[str, Any]) -> None:
        """End the locked build in success: the point of no return. `image` are columns of the image's row."""
        row.status = advance(BuildStatus(row.status), BuildStatus.SUCCEEDED)
        row.current_state, row.completed_at, row.error = StateCode.COMPLETE, now, None
        row.commit_sha = checkpoint.variables.get("commit_sha", row.commit_sha)
        row.docker_image_id, row.image_uri = image["docker_image_id"], image["image_uri"]
        await self._trail.enter(row.id, StateCode.COMPLETE, now, "image registered")
        await self._trail.complete_through(row.id, StateCode.COMPLETE, now)
        await self._trail.keep_variables(row.id, StateCode.REGISTER, {"image_uri": image["image_uri"]}, now)
        await self._images.show(row, {"built_at": now, "commit_sha": row.commit_sha, **image})
        await self._events.add_of(
            row, "build.succeeded", {"image": image["image_uri"], "image_id": image["docker_image_id"]}
        )
        await self._session.flush()

    async def fail(self, row: Build, code: int, failure: FailureReport, now: datetime) -> None:
        """End the locked build in a failure that may be resumed."""
        row.status = advance(BuildStatus(row.status), BuildStatus.FAILED)
        row.current_state, row.completed_at, row.error = code, now, failure.message
        await self._trail.fail(row.id, code, failure, now)
        await self._events.add_of(row, "build.failed", {"state": code, **failure.model_dump(mode="json")})
        await self._images.show(row, {"build_error": row.error})

    async def cancel(self, row: Build, now: datetime, *, is_parked: bool) -> None:
        """End the locked build as cancelled, or close one that failed; nothing happens to one that has ended."""
        if row.status == BuildStatus.FAILED and row.closed_at is None:
            await self.close(row, now, "cancelled while it waited to be resumed")
        if row.status not in OPEN:
            return
        actor = row.cancel_requested_by or TEMPORAL_ACTOR
        row.cancel_requested_at = row.cancel_requested_at or now
        row.cancel_requested_by = actor
        row.status = advance(BuildStatus(row.status), BuildStatus.CANCELLED)
        row.completed_at, row.error = now, f"Build cancelled by {actor}."
        requested = row.cancel_requested_at.isoformat()
        row.cancel_receipt = {"by": actor, "requested_at": requested, "acknowledged_at": now.isoformat()}
        if not is_parked:
            await self._trail.fail_open_states(row.id, now, "cancelled")
        await self._events.add_of(row, "build.cancelled", row.cancel_receipt, actor)
        await self._images.show(row, {"build_error": row.error})

    async def close(self, row: Build, now: datetime, reason: str, actor: str = OWN_ACTOR) -> None:
        """Close a failed build, so that nobody resumes it any more; its parked run ends when it is poked."""
        if row.status != BuildStatus.FAILED or row.closed_at is not None:
            return
        row.closed_at, row.closed_reason = now, reason
        await self._session.flush()
        await self._events.add_of(row, "build.closed", {"reason": reason}, actor)
        await self._outbox.mark_dirty(build_key(row.id))
