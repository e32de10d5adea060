"""When the worker of downloads asks Temporal for the next one: only while there is room for it.

So builds that wait for their turn wait in Temporal's queue, which orders them by priority and share, and cost nothing:
no activity, no heartbeat and no look at the database (docs/decisions/0011).
"""

import asyncio

from temporalio.worker import (
    CustomSlotSupplier,
    SlotMarkUsedContext,
    SlotPermit,
    SlotReleaseContext,
    SlotReserveContext,
)

from activities.source.turns import SourceTurns


class SourceSlots(CustomSlotSupplier):
    """Make it on the event loop that its worker runs on: Temporal releases from threads of its own."""

    def __init__(self, turns: SourceTurns) -> None:
        self._turns = turns
        self._given: set[SlotPermit] = set()
        self._loop = asyncio.get_running_loop()

    async def reserve_slot(self, ctx: SlotReserveContext) -> SlotPermit:
        await self._turns.free(lambda: len(self._given) - self._turns.begun)
        permit = SlotPermit()
        self._given.add(permit)
        return permit

    def try_reserve_slot(self, ctx: SlotReserveContext) -> SlotPermit | None:
        return None  # nobody comes before those who wait

    def mark_slot_used(self, ctx: SlotMarkUsedContext) -> None:
        """Nothing is to be done: a permit counts until it is released."""

    def release_slot(self, ctx: SlotReleaseContext) -> None:
        self._given.discard(ctx.permit)
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._turns.look_again)
