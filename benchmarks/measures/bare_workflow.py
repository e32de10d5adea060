"""What Temporal itself does with as many activities that do nothing: the measure of our own workflow."""

import time
from dataclasses import dataclass
from datetime import timedelta

from temporalio import activity, workflow

QUEUE = "bench-bare"
_LONGEST = timedelta(seconds=30)


@activity.defn
async def look_at_clock(_number: int) -> float:
    return time.time()


@dataclass(frozen=True)
class BareRun:
    """How many activities to run by way of a queue, and how many more in the workflow's own worker, in turns."""

    ordinary: int = 1
    local: int = 0


@workflow.defn(name="bench-bare")
class BareWorkflow:
    @workflow.run
    async def run(self, wanted: BareRun) -> float:
        """Run the activities, one after the other; return when the first one ran (seconds since 1970)."""
        moments: list[float] = []
        for number in range(max(wanted.ordinary, wanted.local)):
            if number < wanted.local:
                moments.append(
                    await workflow.execute_local_activity(look_at_clock, number, start_to_close_timeout=_LONGEST)
                )
            if number < wanted.ordinary:
                moments.append(await workflow.execute_activity(look_at_clock, number, start_to_close_timeout=_LONGEST))
        return moments[0]
