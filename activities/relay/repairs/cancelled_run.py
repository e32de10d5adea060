"""The run of a build that is under way ended as cancelled, and its row did not hear of it: the cancel was taken."""

from activities.ports.runs import RunEnd
from activities.relay.repairs.rule import Rule
from models.repositories.build.repairs import BuildRepairs, OpenBuild


async def _repair(repairs: BuildRepairs, build: OpenBuild) -> bool:
    return await repairs.cancel(build, CANCELLED_RUN.name)


CANCELLED_RUN = Rule("cancelled_run", lambda run: run is not None and run.end == RunEnd.CANCELLED, _repair)
