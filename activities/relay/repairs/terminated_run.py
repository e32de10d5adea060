"""The run of a build that is under way was terminated: an operator wants it to stop.

The build fails and says so; who retries it goes on from where it stood. A reset terminates a run as well, but leaves an
open one behind.
"""

from activities.ports.runs import RunEnd
from activities.relay.repairs.rule import Rule
from models.repositories.build.repairs import BuildRepairs, OpenBuild
from models.rules.build_payloads import FailureReport

_FAILURE = FailureReport(
    message="The build's workflow was terminated in Temporal; retry the build to go on from where it stood.",
    code="workflow_terminated",
    component="temporal",
)


async def _repair(repairs: BuildRepairs, build: OpenBuild) -> bool:
    return await repairs.fail(build, TERMINATED_RUN.name, _FAILURE)


TERMINATED_RUN = Rule("terminated_run", lambda run: run is not None and run.end == RunEnd.TERMINATED, _repair)
