"""What Temporal itself does with as many activities that do nothing: the measure of our own workflow."""

import time
from datetime import timedelta

from temporalio import activity, workflow

QUEUE = "bench-bare"
_LONGEST = timedelta(seconds=30)


@activity.defn
async def look_at_clock(_number: int) -> float:
    return time.time()


@workflow.defn(name="bench-bare")
class BareWorkflow:
    @workflow.run
    async def run(self, activities: int) -> float:
        """Run so many activities, one after the other; return when the first one ran (seconds since 1970)."""
        moments = [
            await workflow.execute_activity(look_at_clock, number, start_to_close_timeout=_LONGEST)
            for number in range(activities)
        ]
        return moments[0]
