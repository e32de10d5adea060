"""A repair: a run closed while its build was under way.

A terminated run means that an operator wanted the build to stop: it fails, and says so. One that failed by a defect, or
ran out of time, gets a successor, which goes on from the row. Acts after two sightings and a re-read of the row.
"""

import logging
from datetime import UTC, datetime, timedelta

from activities.ports.runs import ClosedRun, RunHistory
from models.postgres.database import Database
from models.postgres.hints import Hints
from models.repositories.build.repairs import BuildRepairs

log = logging.getLogger(__name__)

_LOOK_BACK = timedelta(minutes=10)
_SIGHTINGS_APART = timedelta(seconds=30)


class EndedRuns:
    def __init__(self, database: Database, hints: Hints, history: RunHistory) -> None:
        self._database = database
        self._hints = hints
        self._history = history
        self._sighted: dict[ClosedRun, datetime] = {}  # lost with the process: then it takes two more looks

    async def look(self) -> None:
        """Repair what was seen before; remember what is seen first."""
        now = datetime.now(UTC)
        seen = await self._history.closed_unfinished(now - _LOOK_BACK)
        self._sighted = {run: self._sighted.get(run, now) for run in seen}
        for run, first in self._sighted.items():
            if now - first >= _SIGHTINGS_APART:
                await self._repair(run)

    async def _repair(self, run: ClosedRun) -> None:
        async with self._database.transaction() as session:
            builds = BuildRepairs(session)
            is_repaired = await builds.repair_ended_run(run.build_id, run.run_id, is_terminated=run.is_terminated)
        if is_repaired:
            log.warning("ended_run_repaired", extra={"build": str(run.build_id), "terminated": run.is_terminated})
