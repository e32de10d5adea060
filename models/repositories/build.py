"""All SQL of a build's life: claims, reports, wishes and the end. Every method decides on the row under its lock."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from models.repositories.build_trail import BuildTrailRepository
from models.repositories.delivery import DeliveryRepository
from models.repositories.event import EventRepository
from models.repositories.run import RunRepository
from models.rules.build_lifecycle import (
    FINISHED,
    IMAGE_STATUS,
    OPEN,
    BuildFacts,
    BuildStatus,
    ClaimAnswer,
    StateCode,
    Wish,
    advance,
    answer_claim,
    check_wish,
    state_to_resume_from,
)
from models.rules.build_payloads import Checkpoint, Claim, Claimed, FailureReport, RowView, StateReport, WishReport
from models.rules.errors.request import BuildStateConflict
from models.tables.build import Build
from models.tables.image import DockerImage

TEMPORAL_ACTOR = "temporal"  # who acts when an operator speaks to Temporal itself
_RUN_ACTOR = "slipway"  # the build's own run


@dataclass(frozen=True)
class BuildInputs:
    """What a stage needs and no payload carries."""

    build_id: UUID
    repo: str
    wanted_commit: str
    dockerfile_path: str
    context: str | None  # a folder of the repository; None: the Dockerfile's own
    target: str | None
    build_args: dict[str, str]


class BuildRepository:
    def __init__(self, session: AsyncSession, *, stays_open: timedelta) -> None:
        self._session = session
        self._stays_open = stays_open
        self._trail = BuildTrailRepository(session)
        self._runs = RunRepository(session)
        self._events = EventRepository(session)

    async def inputs(self, build_id: UUID) -> BuildInputs:
        row = (await self._session.execute(select(Build).where(col(Build.id) == build_id))).scalar_one()
        return BuildInputs(
            build_id=row.id,
            repo=row.repo or "",
            wanted_commit=row.wanted_commit or "",
            dockerfile_path=row.dockerfile_path or "Dockerfile",
            context=row.context,
            target=row.target,
            build_args=row.build_args,
        )

    async def claim(self, claim: Claim) -> Claimed:
        """Give a run its work. The first sight of a run id hands out the next epoch; a repeat gets the same answer."""
        row, now = await self._lock(claim.build_id)
        if row is None or row.generation != claim.generation:
            return Claimed(answer=ClaimAnswer.NOTHING)
        facts = self._facts(row, now)
        if row.resume_from is not None and facts.status == BuildStatus.PENDING:
            row.current_state, row.resume_from = row.resume_from, None
        answer = answer_claim(facts)
        if answer != ClaimAnswer.WORK:
            return Claimed(answer=answer, stays_open=facts.open_for)
        if not await self._runs.is_current(row, claim.run_id):
            return Claimed(answer=ClaimAnswer.NOTHING)
        if row.status == BuildStatus.PENDING:
            row.status = advance(BuildStatus(row.status), BuildStatus.RUNNING)
            row.started_at = row.started_at or now
            await self._event("build.started", row, {"from_state": row.current_state, "run_id": claim.run_id})
            await self._show_on_image(row, {})
        await self._session.flush()
        return Claimed(answer=answer, build=self._checkpoint(row, await self._trail.variables(row.id)))

    async def report(self, report: StateReport) -> RowView:
        """Store the whole state of a build as its run knows it, and answer what the row says.

        A report of an older run, of an older sequence, or of a build that has ended changes nothing.
        """
        row, now = await self._lock(report.build_id)
        if row is None or row.generation != report.generation:
            return RowView(status=BuildStatus.CANCELLED, is_current=False)
        is_cancel = report.status == BuildStatus.CANCELLED
        # a run that is parked, or was cancelled before its claim, never spoke: it may say that, and nothing else
        never_spoke = is_cancel and not await self._runs.is_known(row, report.run_id)
        if not never_spoke and not await self._runs.is_current(row, report.run_id):
            return self._view(row, is_current=False)
        if is_cancel:
            await self._cancel(row, now, is_parked=never_spoke)
        elif row.status == BuildStatus.RUNNING and not self._holds_back(row, report) and report.seq > row.seq:
            await self._store(row, report, now)
        await self._session.flush()
        return self._view(row, is_current=True)

    async def wish(self, report: WishReport) -> bool:
        """Write an operator's signalled wish to the row and mark it dirty; False, with an event, when it cannot be."""
        row, now = await self._lock(report.build_id)
        if row is None or row.generation != report.generation:
            return False
        wish = report.wish
        if wish.wish == Wish.RESUME and _is_resuming(row, wish.state_code):
            return True  # the answer to the same wish was lost
        try:
            check_wish(self._facts(row, now), wish.wish)
            self._apply_wish(row, now, wish.wish, wish.state_code)
        except BuildStateConflict as refusal:
            await self._event("build.signal_refused", row, {"signal": wish.wish, "why": refusal.detail}, TEMPORAL_ACTOR)
            return False
        if wish.wish == Wish.RESUME:
            await self._trail.resolve_failures(row.id, now)
            await self._show_on_image(row, {"build_error": None})
        await self._event(f"build.{wish.wish}_requested", row, {"state_code": row.resume_from}, TEMPORAL_ACTOR)
        await self._session.flush()
        await DeliveryRepository(self._session).mark_dirty(row.id)
        return True

    async def repair_ended_run(self, build_id: UUID, run_id: str, *, is_terminated: bool) -> bool:
        """Bring an open build in line whose run has closed; False when another run or an end came meanwhile."""
        row, now = await self._lock(build_id)
        if row is None or row.status not in OPEN or row.run_id != run_id:
            return False
        if row.cancel_requested_at is not None:
            await self._cancel(row, now, is_parked=False)
        elif is_terminated:
            message = "The build's workflow was terminated in Temporal; retry the build to go on from where it stood."
            failure = FailureReport(message=message, code="workflow_terminated", component="temporal")
            await self._fail(row, row.current_state, failure, now)
        await self._event("build.repaired", row, {"ended_run": run_id, "terminated": is_terminated})
        await self._session.flush()
        await DeliveryRepository(self._session).mark_dirty(build_id)
        return True

    async def lock_for_success(self, build_id: UUID, run_id: str) -> tuple[Build, BuildFacts, datetime] | None:
        """Lock the row of a build that is about to be registered; None when another run reports for it now."""
        row, now = await self._lock(build_id)
        if row is None or not await self._runs.is_current(row, run_id):
            return None
        return row, self._facts(row, now), now

    async def succeed(self, row: Build, now: datetime, checkpoint: Checkpoint, image: dict[str, Any]) -> None:
        """End the locked build in success: the point of no return. `image` are columns of the image's row."""
        row.status = advance(BuildStatus(row.status), BuildStatus.SUCCEEDED)
        row.current_state, row.completed_at, row.error = StateCode.COMPLETE, now, None
        row.commit_sha = checkpoint.variables.get("commit_sha", row.commit_sha)
        row.docker_image_id, row.image_uri = image["docker_image_id"], image["image_uri"]
        await self._trail.enter(row.id, StateCode.COMPLETE, now, "image registered")
        await self._trail.complete_through(row.id, StateCode.COMPLETE, now)
        await self._trail.keep_variables(row.id, StateCode.REGISTER, {"image_uri": image["image_uri"]}, now)
        await self._show_on_image(row, {"built_at": now, "commit_sha": row.commit_sha, **image})
        await self._event("build.succeeded", row, {"image": image["image_uri"], "image_id": image["docker_image_id"]})
        await self._session.flush()

    async def _lock(self, build_id: UUID) -> tuple[Build | None, datetime]:
        found = await self._session.execute(
            select(Build, func.clock_timestamp()).where(col(Build.id) == build_id).with_for_update(key_share=True)
        )
        row = found.one_or_none()
        if row is None:
            return None, datetime.min  # noqa: DTZ901 - never looked at: there is no row
        return row[0], row[1]

    def _facts(self, row: Build, now: datetime) -> BuildFacts:
        waited = now - row.completed_at if row.completed_at is not None else timedelta(0)
        return BuildFacts(
            status=BuildStatus(row.status),
            is_closed=row.closed_at is not None,
            is_cancel_wanted=row.cancel_requested_at is not None,
            open_for=max(self._stays_open - waited, timedelta(0)),
        )

    def _checkpoint(self, row: Build, variables: dict[str, str]) -> Checkpoint:
        return Checkpoint(
            build_id=row.id,
            generation=row.generation or 0,
            code=row.current_state,
            name=row.name,
            image=f"{row.image_name}:{row.image_tag}",
            repo=row.repo or "",
            tag=row.image_tag or "",
            correlation_id=row.correlation_id,
            priority=row.priority,
            fairness_key=fairness_key(row.third_party_id, row.project_id, row.repo),
            variables=variables,
            host_queue=row.host_queue,
        )

    def _view(self, row: Build, *, is_current: bool) -> RowView:
        return RowView(
            status=BuildStatus(row.status),
            is_current=is_current,
            is_paused=row.paused,
            is_cancel_wanted=row.cancel_requested_at is not None and row.status not in FINISHED,
        )

    def _holds_back(self, row: Build, report: StateReport) -> bool:
        """A paused build enters no state; one whose cancel is wanted neither enters one nor fails."""
        return row.cancel_requested_at is not None or (row.paused and report.status == BuildStatus.RUNNING)

    async def _store(self, row: Build, report: StateReport, now: datetime) -> None:
        left_at, is_failed = row.current_state, report.status == BuildStatus.FAILED and report.failure is not None
        # all of the row at once: each change after another statement would be one more
        row.seq, row.host_queue = report.seq, report.host_queue
        row.commit_sha = report.variables.get("commit_sha", row.commit_sha)
        row.docker_image_id = report.variables.get("image_id", row.docker_image_id)
        if not is_failed:
            row.current_state = report.code
        await self._trail.keep_artifacts(row.id, report.artifacts, now)
        await self._trail.keep_variables(row.id, left_at, report.variables, now)
        if report.failure is not None and is_failed:
            await self._fail(row, report.code, report.failure, now)
            return
        await self._trail.complete_through(row.id, report.code - 1, now)
        if report.code <= left_at:
            await self._trail.fail_open_states(row.id, now, f"went back to state {report.code}")
        await self._trail.enter(row.id, report.code, now, report.message or None)
        await self._event("build.state", row, {"state": report.code})
        if row.commit_sha is not None:
            await self._show_on_image(row, {"commit_sha": row.commit_sha})

    async def _fail(self, row: Build, code: int, failure: FailureReport, now: datetime) -> None:
        row.status = advance(BuildStatus(row.status), BuildStatus.FAILED)
        row.current_state, row.completed_at, row.error = code, now, failure.message
        await self._trail.fail(row.id, code, failure, now)
        await self._event("build.failed", row, {"state": code, **failure.model_dump(mode="json")})
        await self._show_on_image(row, {"build_error": row.error})

    async def _cancel(self, row: Build, now: datetime, *, is_parked: bool) -> None:
        if row.status == BuildStatus.FAILED and row.closed_at is None:
            await self._close(row, now, "cancelled while it waited to be resumed")
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
        await self._event("build.cancelled", row, row.cancel_receipt, actor)
        await self._show_on_image(row, {"build_error": row.error})

    def _apply_wish(self, row: Build, now: datetime, wish: Wish, state_code: int | None) -> None:
        if wish == Wish.CANCEL:
            row.cancel_requested_at = row.cancel_requested_at or now
            row.cancel_requested_by = row.cancel_requested_by or TEMPORAL_ACTOR
        elif wish == Wish.RESUME:
            row.resume_from = state_to_resume_from(row.current_state, state_code)
            row.status = advance(BuildStatus(row.status), BuildStatus.PENDING)
            row.completed_at = row.error = None
        else:
            row.paused = wish == Wish.PAUSE

    async def _close(self, row: Build, now: datetime, reason: str) -> None:
        row.closed_at, row.closed_reason = now, reason
        await self._event("build.closed", row, {"reason": reason})

    async def _show_on_image(self, row: Build, columns: dict[str, Any]) -> None:
        """Bring the image's row in line, when this is still the build that it shows."""
        shown = update(DockerImage).where(col(DockerImage.build_id) == row.id, col(DockerImage.id) == row.image_id)
        await self._session.execute(
            shown.values(build_status=IMAGE_STATUS[BuildStatus(row.status)], **columns).execution_options(
                synchronize_session=False
            )
        )

    async def _event(self, event_type: str, row: Build, payload: dict[str, Any], actor: str = _RUN_ACTOR) -> None:
        await self._events.add_build_event(event_type, row.id, generation=row.generation, actor=actor, payload=payload)


def _is_resuming(row: Build, state_code: int | None) -> bool:
    """Say whether the row wants this very resume already, and no run has taken it up."""
    return row.status == BuildStatus.PENDING and row.resume_from is not None and state_code in (None, row.resume_from)


def fairness_key(third_party_id: str | None, project_id: UUID | None, repo: str | None) -> str:
    """Who shares the builders fairly with whom: contract.md §3, last line. Temporal takes 64 bytes at most."""
    key = third_party_id or (str(project_id) if project_id is not None else None) or repo or ""
    return key.encode()[:64].decode(errors="ignore")
