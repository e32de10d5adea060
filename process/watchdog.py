"""Tells whoever watches this process that its event loop turns."""

import asyncio
import socket
from contextlib import suppress

from process.background import Background

_EVERY_SECONDS = 1.0


class Watchdog(Background):
    """Use as `async with Watchdog(address)`, with systemd's NOTIFY_SOCKET (sd_notify(3)); None: nobody watches.

    A watcher that is gone, or does not read, is no matter of ours.
    """

    def __init__(self, address: str | None) -> None:
        self._address = address.replace("@", "\0", 1) if address and address.startswith("@") else address

    async def _run(self) -> None:
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as way:
            while True:
                with suppress(OSError):
                    way.sendto(b"WATCHDOG=1", self._address)
                await asyncio.sleep(_EVERY_SECONDS)
