"""The activities between a run and its row."""

from datetime import timedelta

from temporalio import activity

from models.postgres.database import Database
from models.repositories.build.reports import BuildReports
from models.repositories.build.wishes import BuildWishes
from models.rules.build_payloads import Claim, Claimed, RowView, StateReport, WishReport


class BuildRecordActivities:
    def __init__(self, database: Database, *, stays_open: timedelta) -> None:
        self._database = database
        self._stays_open = stays_open

    @activity.defn
    async def claim_build(self, claim: Claim) -> Claimed:
        """Give a run its work. Idempotent: the run id names the claim."""
        async with self._database.transaction() as session:
            return await BuildReports(session).claim(claim, stays_open=self._stays_open)

    @activity.defn
    async def report_state(self, report: StateReport) -> RowView:
        """Store a run's whole state. Idempotent: (run id, seq) names the report."""
        async with self._database.transaction() as session:
            return await BuildReports(session).report(report)

    @activity.defn
    async def record_wish(self, report: WishReport) -> bool:
        """Write what an operator signalled to the row. Idempotent: the wish says what is wanted, not what to change."""
        async with self._database.transaction() as session:
            return await BuildWishes(session).signalled(report)
