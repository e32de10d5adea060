"""HTTP by the byte: what no well-behaved client would send, and what then comes back."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import h11

_LONGEST_SECONDS = 30
_ANY_REQUEST = h11.Request(method="GET", target="/", headers=[("Host", "any")])


@dataclass(frozen=True)
class RawAnswer:
    """`headers` by lower-case name."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@asynccontextmanager
async def raw_connection(url: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def raw_exchange(url: str, sent: str | bytes) -> RawAnswer:
    """Send these bytes on a connection of their own; return the first answer, which may not be one to HEAD."""
    async with raw_connection(url) as (reader, writer):
        writer.write(sent.encode() if isinstance(sent, str) else sent)
        return await read_answer(reader)


async def read_answer(reader: asyncio.StreamReader) -> RawAnswer:
    """Read one answer. Raises h11.RemoteProtocolError for what is no HTTP, TimeoutError when none comes."""
    parser = h11.Connection(h11.CLIENT)
    parser.send(_ANY_REQUEST)
    parser.send(h11.EndOfMessage())
    async with asyncio.timeout(_LONGEST_SECONDS):
        head = await _next(parser, reader)
        assert isinstance(head, h11.Response)
        body = bytearray()
        while isinstance(event := await _next(parser, reader), h11.Data):
            body += event.data
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in head.headers}
    return RawAnswer(head.status_code, headers, bytes(body))


async def _next(parser: h11.Connection, reader: asyncio.StreamReader) -> object:
    while (event := parser.next_event()) is h11.NEED_DATA:
        parser.receive_data(await reader.read(65536))
    return event


async def until_closed(reader: asyncio.StreamReader) -> bytes:
    """Read until the server closes its side, in whatever way; return what came. Raises TimeoutError when it stays."""
    came = bytearray()
    async with asyncio.timeout(_LONGEST_SECONDS):
        try:
            while page := await reader.read(65536):
                came += page
        except ConnectionResetError:
            pass
    return bytes(came)
