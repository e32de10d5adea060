"""uvicorn as the API runs it. Why these settings: docs/decisions/0015-the-http-border.md."""

import asyncio
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial

import uvicorn
from fastapi import FastAPI

from api.parts import Api
from api.server.connection import LARGEST_HEAD_BYTES, PATIENCE, Connection, Patience

_ENDING = (signal.SIGTERM, signal.SIGINT)
_KEEP_ALIVE_SECONDS = 75  # longer than a proxy in front keeps its side open
_TICKS = 10  # of uvicorn's, in a second


class Server(uvicorn.Server):
    """Tells the app of its end before connections are waited for, so that streams end by themselves."""

    def __init__(self, app: FastAPI, *, drain_timeout: timedelta, patience: Patience = PATIENCE) -> None:
        config = uvicorn.Config(
            app,
            http=partial(Connection, patience=patience),  # type: ignore[arg-type]  # called as if it were the class
            ws="none",
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            h11_max_incomplete_event_size=LARGEST_HEAD_BYTES,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=max(1, int(drain_timeout.total_seconds())),
        )
        super().__init__(config)
        self._api: Api = app.state.api

    async def on_tick(self, counter: int) -> bool:
        if counter % _TICKS == 0:
            self._look()
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        looking = asyncio.create_task(self._keep_looking(), name="look at connections")
        try:
            await super().shutdown(sockets)
        finally:
            looking.cancel()

    async def _keep_looking(self) -> None:
        while True:  # uvicorn ticks no more
            await asyncio.sleep(1)
            self._look()

    def _look(self) -> None:
        for connection in list(self.server_state.connections):
            if isinstance(connection, Connection):
                connection.look()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take the signals that end us. uvicorn's own way raises them again at the end, which loses the exit code."""
        loop = asyncio.get_running_loop()
        for number in _ENDING:
            loop.add_signal_handler(number, self._end)
        try:
            yield
        finally:
            for number in _ENDING:
                loop.remove_signal_handler(number)

    def _end(self) -> None:
        self.force_exit = self.should_exit  # the second signal means: at once
        self.should_exit = True
        self._api.stop()
