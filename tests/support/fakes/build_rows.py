"""Build rows in memory, with the life-cycle rules of the real ones and no database."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from temporalio import activity

from activities.ports.runs import RunAddress, Runs
from models.rules.build_lifecycle import (
    FINISHED,
    OPEN,
    BuildFacts,
    BuildStatus,
    ClaimAnswer,
    Wish,
    advance,
    answer_claim,
    check_wish,
    state_to_resume_from,
)
from models.rules.build_payloads import Checkpoint, Claim, Claimed, RowView, StateReport, WishReport
from models.rules.errors.database import DatabaseUnreachable
from models.rules.errors.request import BuildStateConflict
from models.rules.identifiers import new_id
from models.rules.notices import gathered
from tests.support.builds.addresses import address, build_of, order_in
from tests.support.builds.build_rows import RowNow
from tests.support.fakes.outages import FakeOutages

_STAYS_OPEN = timedelta(days=14)


@dataclass
class _Row:
    run: RunAddress
    status: BuildStatus = BuildStatus.PENDING
    code: int = 0
    is_paused: bool = False
    is_cancel_wanted: bool = False
    is_closed: bool = False
    error_code: str | None = None
    entered: list[int] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)
    host_queue: str | None = None
    notices: list[str] = field(default_factory=list)
    runs: list[str] = field(default_factory=list)
    seq: int = 0
    records_to_fail: int = 0

    @property
    def facts(self) -> BuildFacts:
        return BuildFacts(self.status, self.is_closed, self.is_cancel_wanted, open_for=_STAYS_OPEN)

    def is_current(self, run_id: str) -> bool:
        if run_id not in self.runs:
            self.runs.append(run_id)
            self.seq = 0
        return self.runs[-1] == run_id


class FakeBuildRows:
    """Implements tests.support.build_rows.BuildRows; `runs` is told at once what a row wants."""

    def __init__(self, runs: Runs) -> None:
        self._runs = runs
        self.outages = FakeOutages()
        self._rows: dict[UUID, _Row] = {}
        self._deliveries: set[asyncio.Task[None]] = set()
        self.when_failed: Callable[[RunAddress], None] = lambda _run: None  # called in the failed report's activity

    @property
    def record_activities(self) -> Sequence[Callable[..., Any]]:
        return [self.claim_build, self.report_state, self.record_wish]

    async def order(self, name: str) -> RunAddress:
        run = address(new_id(), name)
        self._rows[build_of(run)] = _Row(run)
        await self._deliver(build_of(run))
        return run

    async def read(self, build_id: UUID) -> RowNow:
        row = self._rows[build_id]
        return RowNow(
            status=row.status,
            code=row.code,
            is_paused=row.is_paused,
            is_cancel_wanted=row.is_cancel_wanted,
            is_closed=row.is_closed,
            error_code=row.error_code,
            entered=tuple(row.entered),
            notices=tuple(row.notices),
        )

    async def wish(self, run: RunAddress, wish: Wish, state_code: int | None = None) -> bool:
        is_taken = self._take_wish(self._rows[build_of(run)], wish, state_code)
        if is_taken:
            await self._deliver(build_of(run))
        return is_taken

    def go_away(self, run: RunAddress, records: int) -> None:
        """Fail the next so many reports of the build, as while Postgres is away."""
        self._rows[build_of(run)].records_to_fail = records

    async def close(self, run: RunAddress) -> None:
        self._rows[build_of(run)].is_closed = True
        await self._deliver(build_of(run))

    def settle_cancel(self, run: RunAddress) -> None:
        """End the build as cancelled without telling its run, as a cancel does that finds nothing running."""
        row = self._rows[build_of(run)]
        row.status = advance(row.status, BuildStatus.CANCELLED)

    async def succeed(self, build: Checkpoint, run_id: str) -> None:
        row = self._rows[build.build_id]
        assert row.is_current(run_id)
        if row.status != BuildStatus.SUCCEEDED:
            row.status, row.code = advance(row.status, BuildStatus.SUCCEEDED), 100

    @activity.defn
    async def claim_build(self, claim: Claim) -> Claimed:
        row = self._rows[claim.build_id]
        answer = answer_claim(row.facts)
        if answer != ClaimAnswer.WORK:
            return Claimed(answer=answer, stays_open=_STAYS_OPEN)
        if not row.is_current(claim.run_id):
            return Claimed(answer=ClaimAnswer.NOTHING)
        if row.status == BuildStatus.PENDING:
            row.status = advance(row.status, BuildStatus.RUNNING)
        return Claimed(answer=answer, build=_checkpoint(row))

    @activity.defn
    async def report_state(self, report: StateReport) -> RowView:
        row = self._rows[report.build_id]
        if row.records_to_fail > 0:
            row.records_to_fail -= 1
            raise DatabaseUnreachable("The database cannot be reached.")
        is_cancel = report.status == BuildStatus.CANCELLED
        never_spoke = is_cancel and report.run_id not in row.runs
        if not is_cancel and row.status in OPEN and report.run_id not in row.runs:
            return RowView(status=row.status, is_current=True, must_claim=True)
        is_current = never_spoke or row.is_current(report.run_id)
        if is_current and is_cancel:
            row.is_closed = row.is_closed or row.status == BuildStatus.FAILED
            row.status = advance(row.status, BuildStatus.CANCELLED) if row.status in OPEN else row.status
        elif is_current and row.status == BuildStatus.RUNNING and report.seq > row.seq:
            self._store(row, report)
        return RowView(
            status=row.status,
            is_current=is_current,
            is_paused=row.is_paused,
            is_cancel_wanted=row.is_cancel_wanted and row.status not in FINISHED,
        )

    @activity.defn
    async def record_wish(self, report: WishReport) -> bool:
        row = self._rows[report.build_id]
        is_taken = self._take_wish(row, report.wish.wish, report.wish.state_code)
        if is_taken:
            self._deliver_soon(report.build_id)
        return is_taken

    def _store(self, row: _Row, report: StateReport) -> None:
        if row.is_cancel_wanted or (row.is_paused and report.status == BuildStatus.RUNNING):
            return
        row.seq, row.code, row.variables = report.seq, report.code, row.variables | report.variables
        row.host_queue = report.host_queue
        row.notices = gathered([*row.notices, *report.notices])
        if report.failure is not None:
            row.status, row.error_code = advance(row.status, BuildStatus.FAILED), report.failure.code
            self.when_failed(row.run)
        else:
            row.entered.append(report.code)

    def _take_wish(self, row: _Row, wish: Wish, state_code: int | None) -> bool:
        try:
            check_wish(row.facts, wish)
            code = state_to_resume_from(row.code, state_code)
        except BuildStateConflict:
            return False
        if wish == Wish.CANCEL:
            row.is_cancel_wanted = True
        elif wish == Wish.RESUME:
            row.status, row.code = advance(row.status, BuildStatus.PENDING), code
        else:
            row.is_paused = wish == Wish.PAUSE
        return True

    def _deliver_soon(self, build_id: UUID) -> None:
        delivery = asyncio.create_task(self._deliver(build_id))
        self._deliveries.add(delivery)
        delivery.add_done_callback(self._deliveries.discard)

    async def _deliver(self, build_id: UUID) -> None:
        row = self._rows[build_id]
        if not row.is_cancel_wanted or row.status in FINISHED:
            await self._runs.poke(row.run)
            return
        while not await self._runs.cancel(row.run):
            await self._runs.poke(row.run)


def _checkpoint(row: _Row) -> Checkpoint:
    return Checkpoint(
        build_id=build_of(row.run),
        generation=order_in(row.run).generation,
        code=row.code,
        name=f"build-{build_of(row.run).hex}",
        image=row.run.summary,
        repo="demo/hello",
        tag="v1",
        correlation_id=row.run.correlation_id,
        variables=row.variables,
        host_queue=row.host_queue,
    )
