"""What is wanted of a build: one path for whoever asks, by REST, by a signal, or for a repair."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from models.repositories.build.row import TEMPORAL_ACTOR, facts_of, lock_build
from models.repositories.build_trail import BuildTrailRepository
from models.repositories.event import EventRepository
from models.repositories.image_rows import ImageRows
from models.repositories.outbox import OutboxRepository
from models.rules.build_lifecycle import IMAGE_STATUS, BuildStatus, Wish, advance, check_wish, state_to_resume_from
from models.rules.build_payloads import RequestedWish, WishReport
from models.rules.errors.domain import InTheWay
from models.rules.errors.request import BuildNotFound, BuildStateConflict
from models.rules.run_contract import build_key
from models.tables.build import Build


class BuildWishes:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session
        self._trail = BuildTrailRepository(session)
        self._events = EventRepository(session)
        self._images = ImageRows(session)
        self._outbox = OutboxRepository(session)

    async def want(self, build_id: UUID, wish: RequestedWish, actor: str) -> None:
        """Write a wish to the row and mark the build dirty. A repeat of a resume that no run has taken is harmless.

        Raises BuildNotFound; BuildStateConflict, naming the state, when the row cannot take the wish now.
        """
        row, now = await lock_build(self._session, build_id)
        if row is None:
            raise BuildNotFound(f"There is no build {build_id}.")
        try:
            await self._want(row, now, wish, actor)
        except BuildStateConflict as refusal:
            met = InTheWay(row.image_id, row.id, IMAGE_STATUS[BuildStatus(row.status)])
            raise BuildStateConflict(refusal.detail, in_the_way=met) from refusal

    async def signalled(self, report: WishReport) -> bool:
        """Take an operator's signal to a run as that run's build's wish; False, with an event, when it cannot be.

        Also False when the build is another generation by now.
        """
        row, now = await lock_build(self._session, report.build_id)
        if row is None or row.generation != report.generation:
            return False
        try:
            await self._want(row, now, report.wish, TEMPORAL_ACTOR)
        except BuildStateConflict as refusal:
            payload = {"signal": report.wish.wish, "why": refusal.detail}
            await self._events.add_of(row, "build.signal_refused", payload, TEMPORAL_ACTOR)
            return False
        return True

    async def _want(self, row: Build, now: datetime, wanted: RequestedWish, actor: str) -> None:
        wish = wanted.wish
        if wish == Wish.RESUME and _is_resuming(row, wanted.state_code):
            return  # the answer to the same wish was lost
        check_wish(facts_of(row), wish)
        _apply(row, now, wanted, actor)
        if wish == Wish.RESUME:
            await self._trail.resolve_failures(row.id, now)
            await self._images.show(row, {"build_error": None})
        await self._events.add_of(row, f"build.{wish}_requested", {"state_code": row.resume_from}, actor)
        await self._session.flush()
        await self._outbox.mark_dirty(build_key(row.id))


def _apply(row: Build, now: datetime, wanted: RequestedWish, actor: str) -> None:
    if wanted.wish == Wish.CANCEL:
        row.cancel_requested_at = row.cancel_requested_at or now
        row.cancel_requested_by = row.cancel_requested_by or actor
    elif wanted.wish == Wish.RESUME:
        row.resume_from = state_to_resume_from(row.current_state, wanted.state_code)
        row.status = advance(BuildStatus(row.status), BuildStatus.PENDING)
        row.completed_at = row.error = None
    else:
        row.paused = wanted.wish == Wish.PAUSE


def _is_resuming(row: Build, state_code: int | None) -> bool:
    """Say whether the row wants this very resume already, and no run has taken it up."""
    return row.status == BuildStatus.PENDING and row.resume_from is not None and state_code in (None, row.resume_from)
