"""A way to Postgres that breaks at a commit, so that the client cannot know whether it was made, or falls silent."""

import asyncio
from contextlib import suppress
from enum import StrEnum
from typing import Self
from urllib.parse import urlsplit

from standalone.free_ports import LOOPBACK

_CHUNK = 65536
_COMMIT = b"COMMIT;"


class Fate(StrEnum):
    """What becomes of a commit whose answer the client never gets."""

    NOT_MADE = "not made"
    MADE = "made"
    MADE_LATE = "made late"  # when the test says so: the server was slower than the client's patience


class PostgresProxy:
    """Use as `async with PostgresProxy(url) as proxy`, and connect to `proxy.url`."""

    def __init__(self, url: str) -> None:
        self._server_url = url
        self._fate: Fate | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: list[asyncio.StreamWriter] = []
        self.has_broken = asyncio.Event()
        self.may_commit = asyncio.Event()
        self._passes = asyncio.Event()
        self._passes.set()
        self._last_statement = b""
        self.is_silent = asyncio.Event()

    @property
    def url(self) -> str:
        port = self._listener.sockets[0].getsockname()[1]
        return self._server_url.replace(f":{urlsplit(self._server_url).port}/", f":{port}/")

    async def __aenter__(self) -> Self:
        self._listener = await asyncio.start_server(self._serve, LOOPBACK, 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._listener.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for writer in self._writers:  # also of those whose task had not begun
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    def break_next_commit(self, fate: Fate) -> None:
        self._fate = fate

    def fall_silent(self, behind: str = "") -> None:
        """Pass nothing on any more, while connections stay open: at once, or behind the commit of such a statement."""
        self._last_statement = behind.encode()
        if not behind:
            self._passes.clear()
            self.is_silent.set()

    def speak_again(self) -> None:
        """Pass on what came meanwhile, and what comes."""
        self._last_statement = b""
        self.is_silent.clear()
        self._passes.set()

    async def _serve(self, from_client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        self._writers.append(to_client)
        serving = asyncio.create_task(self._connect(from_client, to_client))
        self._tasks.add(serving)
        serving.add_done_callback(self._tasks.discard)

    async def _connect(self, from_client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        port = urlsplit(self._server_url).port
        from_server, to_server = await asyncio.open_connection(LOOPBACK, port)
        self._writers.append(to_server)
        answers = asyncio.create_task(_pass_on(from_server, to_client))
        has_spoken = False
        try:
            while data := await from_client.read(_CHUNK):
                await self._passes.wait()
                if self._fate is not None and _COMMIT in data:
                    fate, self._fate = self._fate, None
                    answers.cancel()
                    await asyncio.wait([answers])
                    await self._break(fate, data, from_server, to_server, to_client)
                    return
                to_server.write(data)
                has_spoken = has_spoken or bool(self._last_statement and self._last_statement in data)
                if has_spoken and _COMMIT in data:
                    self.fall_silent()
        finally:
            answers.cancel()
            with suppress(asyncio.CancelledError, ConnectionError):
                await answers
            to_client.close()
            to_server.close()

    async def _break(
        self,
        fate: Fate,
        commit: bytes,
        from_server: asyncio.StreamReader,
        to_server: asyncio.StreamWriter,
        to_client: asyncio.StreamWriter,
    ) -> None:
        if fate == Fate.MADE_LATE:
            to_client.close()
            self.has_broken.set()
            await self.may_commit.wait()
        if fate != Fate.NOT_MADE:
            to_server.write(commit)
            await from_server.read(_CHUNK)  # the answer: it is made
        to_client.close()
        self.has_broken.set()


async def _pass_on(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await source.read(_CHUNK):
            sink.write(data)
        sink.close()
