"""Executions whose lease ran out and that nobody will close: their builder is gone, and their build has ended.

While the build goes on, its next attempt closes them. A builder that could not reach Postgres prolongs what it runs
within seconds, so that two sightings are enough.
"""

import logging

from activities.sightings import Sightings
from models.postgres.database import Database
from models.repositories.execution import ExecutionRepository

log = logging.getLogger(__name__)


class AbandonedExecutions:
    def __init__(self, database: Database, sightings: Sightings[int] | None = None) -> None:
        self._database = database
        self._sightings = sightings or Sightings()

    async def look(self) -> None:
        """Close what was seen before; remember what is seen first."""
        async with self._database.transaction() as session:
            seen = await ExecutionRepository(session).abandoned()
        abandoned = self._sightings.twice(seen)
        if not abandoned:
            return
        async with self._database.transaction() as session:
            closed = await ExecutionRepository(session).close_abandoned(abandoned)
        log.warning("abandoned_executions_closed", extra={"tokens": [execution.token for execution in closed]})
