"""What every workflow of ours does, whatever it carries: takes signals, speaks with its row, goes on as a new run."""

import asyncio
from abc import ABC, abstractmethod
from datetime import timedelta
from typing import Any, NoReturn

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import FailureError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from models.rules.build_lifecycle import Wish
    from models.rules.build_payloads import RequestedWish, WorkOrder
    from models.rules.run_contract import Queue

# Postgres may be away for long; the build waits for it as long as it takes
_RECORD_RETRIES = RetryPolicy(
    initial_interval=timedelta(milliseconds=200), backoff_coefficient=2, maximum_interval=timedelta(seconds=10)
)
_RECORD_LONGEST = timedelta(seconds=15)
# the first try holds the workflow task, whose limit is 10 s; two of them, the claim and a report, are over before that
_RECORD_AT_ONCE = timedelta(seconds=4)
_ONCE = RetryPolicy(maximum_attempts=1)

# since 0.2.0; may go when no run of 0.1.0 waits any more: 14 days (SLIPWAY_STAYS_OPEN) after the last one was parked
_HEARS_THE_REST = "hears-the-rest-of-the-task"
_A_MOMENT = timedelta(milliseconds=1)


class DurableRun(ABC):
    """The row says what is wanted; signals only wake the run, which then looks at its row."""

    def __init__(self, order: WorkOrder) -> None:
        self._order = order
        self._calls = 0  # signals that no look at the row has answered yet
        self._wishes = list(order.wishes)
        self._listener: asyncio.Task[None] | None = None

    @abstractmethod
    async def record_wish(self, wish: RequestedWish) -> None:
        """Write what an operator signalled to the row. A repeat is harmless."""

    # Signals take any arguments or none, and only set a field: an error raised here would fail the workflow.

    @workflow.signal
    def poke(self, *_ignored: Any) -> None:  # noqa: ANN401
        self._calls += 1

    @workflow.signal
    def cancel(self, *_ignored: Any) -> None:  # noqa: ANN401
        self._wish(Wish.CANCEL)

    @workflow.signal
    def pause(self, *_ignored: Any) -> None:  # noqa: ANN401
        self._wish(Wish.PAUSE)

    @workflow.signal
    def unpause(self, *_ignored: Any) -> None:  # noqa: ANN401
        self._wish(Wish.UNPAUSE)

    @workflow.signal
    def resume(self, state_code: Any = None, *_ignored: Any) -> None:  # noqa: ANN401
        is_code = isinstance(state_code, int) and not isinstance(state_code, bool)
        self._wish(Wish.RESUME, state_code if is_code else None)

    def is_called(self) -> bool:
        return self._calls > 0 or bool(self._wishes)

    def raise_when_cancelled(self) -> None:
        if workflow.cancellation_reason() is not None:
            raise asyncio.CancelledError

    async def hear_the_rest(self) -> None:
        """After a signal that is about to end this run: raise when a cancel has come with it.

        The SDK lets a run act on a task's signals before it tells of a cancel in the same task. A run that went on as
        new at once would take a cancel with it that Temporal has acknowledged; a timer's end comes after both.
        """
        if workflow.patched(_HEARS_THE_REST):
            await workflow.sleep(_A_MOMENT)

    async def listen(self) -> None:
        """Begin to take signals to the row; what was signalled before goes there first."""
        while self._wishes:
            await self._pass_on_one_wish()
        self._listener = asyncio.create_task(self._pass_wishes_on())
        self._calls = 0

    async def go_on(self, *, parked: bool, stays_open: timedelta | None = None) -> NoReturn:
        """Go on as a new run, which starts from the row. Never parks over a signal that nobody has looked at."""
        if self._listener is not None:
            self._listener.cancel()  # a wish that it was passing on goes along, and is passed on again
        await workflow.wait_condition(workflow.all_handlers_finished)
        self.raise_when_cancelled()
        changes = {"parked": parked and not self.is_called(), "wishes": tuple(self._wishes)}
        if stays_open is not None:
            changes["stays_open"] = stays_open
        workflow.continue_as_new(self._order.model_copy(update=changes))

    async def record(self, activity: str, argument: Any, result_type: type) -> Any:  # noqa: ANN401
        """Speak with the row: at once in the workflow's own worker, else as an activity that waits as long as it takes.

        docs/decisions/0005. A record that is made twice is made once.
        """
        try:
            return await workflow.execute_local_activity(
                activity,
                argument,
                result_type=result_type,
                schedule_to_close_timeout=_RECORD_AT_ONCE,
                retry_policy=_ONCE,
            )
        except FailureError as failure:  # not as an ActivityError, in which ordinary activities wrap theirs
            if is_cancelled_exception(failure):
                raise asyncio.CancelledError from failure
        return await workflow.execute_activity(
            activity,
            argument,
            task_queue=Queue.BUILDS,
            result_type=result_type,
            start_to_close_timeout=_RECORD_LONGEST,
            retry_policy=_RECORD_RETRIES,
        )

    def _wish(self, wish: Wish, state_code: int | None = None) -> None:
        self._wishes.append(RequestedWish(wish=wish, state_code=state_code))

    async def _pass_wishes_on(self) -> None:
        """Take wishes to the row while stages run; what follows from them comes back as a cancel or a poke."""
        while True:
            await workflow.wait_condition(lambda: bool(self._wishes))
            await self._pass_on_one_wish()

    async def _pass_on_one_wish(self) -> None:
        await self.record_wish(self._wishes[0])
        del self._wishes[0]
