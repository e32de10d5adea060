"""When a builder host asks Temporal for work: only while its own engine can do it better than another one."""

import asyncio

from temporalio.worker import (
    CustomSlotSupplier,
    SlotMarkUsedContext,
    SlotPermit,
    SlotReleaseContext,
    SlotReserveContext,
)

from activities.builder.host import BuilderHost


class HostSlots(CustomSlotSupplier):
    """So many tasks at once. Make it on its worker's event loop: Temporal releases from threads of its own."""

    def __init__(self, builder: BuilderHost, at_once: int) -> None:
        self._builder = builder
        self._free = asyncio.Semaphore(at_once)
        self._loop = asyncio.get_running_loop()

    async def reserve_slot(self, ctx: SlotReserveContext) -> SlotPermit:
        await self._free.acquire()
        try:
            await self._builder.takes_work()
        except BaseException:
            self._free.release()
            raise
        return SlotPermit()

    def try_reserve_slot(self, ctx: SlotReserveContext) -> SlotPermit | None:
        return None

    def mark_slot_used(self, ctx: SlotMarkUsedContext) -> None:
        """Nothing is to be done: a permit counts until it is released."""

    def release_slot(self, ctx: SlotReleaseContext) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._free.release)
