"""The run of a build that is under way ended by itself: by a defect, or because it found itself overtaken.

The build gets a successor, which goes on from the row.
"""

from activities.ports.runs import RunEnd
from activities.relay.repairs.rule import Rule
from models.repositories.build.repairs import BuildRepairs, OpenBuild


async def _repair(repairs: BuildRepairs, build: OpenBuild) -> bool:
    return await repairs.carry_again(build, ENDED_RUN.name)


ENDED_RUN = Rule("ended_run", lambda run: run is not None and run.end == RunEnd.OTHERWISE, _repair)
