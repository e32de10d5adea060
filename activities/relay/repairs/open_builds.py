"""Builds under way are compared with their runs in Temporal; one without an open run is repaired by a rule.

Goes by the rows, in pages, and asks Temporal only about those: what has ended may be millions. A run may be gone for a
moment that Temporal's search has not heard of, or be on its way: so two sightings, an exact look, and a re-read of the
row, which must not have moved.
"""

import logging

from activities.ports.runs import MOST_ASKED, RunStates
from activities.relay.repairs.cancelled_run import CANCELLED_RUN
from activities.relay.repairs.ended_run import ENDED_RUN
from activities.relay.repairs.missing_run import MISSING_RUN
from activities.relay.repairs.terminated_run import TERMINATED_RUN
from activities.sightings import Sightings
from models.postgres.database import Database
from models.repositories.build.repairs import BuildRepairs, OpenBuild

log = logging.getLogger(__name__)

_RULES = (MISSING_RUN, TERMINATED_RUN, CANCELLED_RUN, ENDED_RUN)


class OpenBuilds:
    def __init__(self, database: Database, runs: RunStates, sightings: Sightings[OpenBuild] | None = None) -> None:
        self._database = database
        self._runs = runs
        self._sightings = sightings or Sightings()

    async def look(self) -> None:
        """Repair what was seen before; remember what is seen first. Raises OrchestratorUnreachable."""
        for build in self._sightings.twice(await self._without_run()):
            await self._repair(build)

    async def _without_run(self) -> list[OpenBuild]:
        found: list[OpenBuild] = []
        last: OpenBuild | None = None
        while page := await self._page(last):
            last = page[-1]
            carried = await self._runs.open_among({build.workflow_id for build in page})
            found += [build for build in page if build.workflow_id not in carried]
        return found

    async def _page(self, after: OpenBuild | None) -> list[OpenBuild]:
        async with self._database.transaction() as session:
            return await BuildRepairs(session).open_builds(after, limit=MOST_ASKED)

    async def _repair(self, build: OpenBuild) -> None:
        run = await self._runs.state(build.workflow_id)
        rule = next((rule for rule in _RULES if rule.applies(run)), None)
        if rule is None:
            return
        async with self._database.transaction() as session:
            is_repaired = await rule.repair(BuildRepairs(session), build)
        self._sightings.forget(build)
        if is_repaired:
            log.warning("build_repaired", extra={"build": str(build.build_id), "rule": rule.name})
