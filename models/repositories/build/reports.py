"""What a run and its row say to each other: claims and reports."""

from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from models.repositories.build.ending import BuildEnding
from models.repositories.build.row import facts_of, lock_build
from models.repositories.build_trail import BuildTrailRepository
from models.repositories.event import EventRepository
from models.repositories.image_rows import ImageRows
from models.repositories.run import RunRepository
from models.rules.build_lifecycle import FINISHED, OPEN, BuildStatus, ClaimAnswer, advance, answer_claim
from models.rules.build_payloads import Checkpoint, Claim, Claimed, RowView, StateReport
from models.rules.fairness import fairness_key
from models.rules.notices import gathered
from models.tables.build import Build


class BuildReports:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session
        self._trail = BuildTrailRepository(session)
        self._runs = RunRepository(session)
        self._events = EventRepository(session)
        self._images = ImageRows(session)
        self._ending = BuildEnding(session)

    async def claim(self, claim: Claim, *, stays_open: timedelta) -> Claimed:
        """Give a run its work. The first sight of a run id hands out the next epoch; a repeat gets the same answer.

        `stays_open` is how long a failed build waits for a resume.
        """
        row, now = await lock_build(self._session, claim.build_id)
        if row is None or row.generation != claim.generation:
            return Claimed(answer=ClaimAnswer.NOTHING)
        waited = now - row.completed_at if row.completed_at is not None else timedelta(0)
        facts = facts_of(row, open_for=max(stays_open - waited, timedelta(0)))
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
            await self._events.add_of(row, "build.started", {"from_state": row.current_state, "run_id": claim.run_id})
            await self._images.show(row, {})
        await self._session.flush()
        return Claimed(answer=answer, build=_checkpoint(row, await self._trail.variables(row.id)))

    async def report(self, report: StateReport) -> RowView:
        """Store the whole state of a build as its run knows it, and answer what the row says.

        A report of an older run, of an older sequence, or of a build that has ended changes nothing. Nor does that of a
        run that has not claimed: a reset run knows where the build stood once, and is told to begin at the row.
        """
        row, now = await lock_build(self._session, report.build_id)
        if row is None or row.generation != report.generation:
            return RowView(status=BuildStatus.CANCELLED, is_current=False)
        is_cancel = report.status == BuildStatus.CANCELLED
        # a run that is parked, or was cancelled before its claim, never spoke: it may say that, and nothing else
        never_spoke = is_cancel and not await self._runs.is_known(row, report.run_id)
        if not is_cancel and row.status in OPEN and not await self._runs.is_known(row, report.run_id):
            return _view(row, is_current=True).model_copy(update={"must_claim": True})
        if not never_spoke and not await self._runs.is_current(row, report.run_id):
            return _view(row, is_current=False)
        if is_cancel:
            await self._ending.cancel(row, now, is_parked=never_spoke)
        elif row.status == BuildStatus.RUNNING and not _holds_back(row, report) and report.seq > row.seq:
            await self._store(row, report, now)
        await self._session.flush()
        return _view(row, is_current=True)

    async def _store(self, row: Build, report: StateReport, now: datetime) -> None:
        left_at, is_failed = row.current_state, report.status == BuildStatus.FAILED and report.failure is not None
        # all of the row at once: each change after another statement would be one more
        row.seq, row.host_queue = report.seq, report.host_queue
        row.commit_sha = report.variables.get("commit_sha", row.commit_sha)
        row.docker_image_id = report.variables.get("image_id", row.docker_image_id)
        if report.notices:
            row.notices = gathered([*row.notices, *report.notices])
        if not is_failed:
            row.current_state = report.code
        await self._trail.keep_artifacts(row.id, report.artifacts, now)
        await self._trail.keep_variables(row.id, left_at, report.variables, now)
        if report.failure is not None and is_failed:
            await self._ending.fail(row, report.code, report.failure, now)
            return
        await self._trail.complete_through(row.id, report.code - 1, now)
        if report.code < left_at:  # not to the state that it is in: a run that took it over goes on there
            await self._trail.fail_open_states(row.id, now, f"went back to state {report.code}")
        await self._trail.enter(row.id, report.code, now, report.message or None)
        await self._events.add_of(row, "build.state", {"state": report.code})
        if row.commit_sha is not None:
            await self._images.show(row, {"commit_sha": row.commit_sha})


def _checkpoint(row: Build, variables: dict[str, str]) -> Checkpoint:
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


def _view(row: Build, *, is_current: bool) -> RowView:
    return RowView(
        status=BuildStatus(row.status),
        is_current=is_current,
        is_paused=row.paused,
        is_cancel_wanted=row.cancel_requested_at is not None and row.status not in FINISHED,
    )


def _holds_back(row: Build, report: StateReport) -> bool:
    """A paused build enters no state; one whose cancel is wanted neither enters one nor fails."""
    return row.cancel_requested_at is not None or (row.paused and report.status == BuildStatus.RUNNING)
