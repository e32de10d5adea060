"""Temporal knows no run of a build that is under way: it was deleted, lost with Temporal's data, or never started.

The build gets a run, which goes on from the row.
"""

from activities.relay.repairs.rule import Rule
from models.repositories.build.repairs import BuildRepairs, OpenBuild


async def _repair(repairs: BuildRepairs, build: OpenBuild) -> bool:
    return await repairs.carry_again(build, MISSING_RUN.name)


MISSING_RUN = Rule("missing_run", lambda run: run is None, _repair)
