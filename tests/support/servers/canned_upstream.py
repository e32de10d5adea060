"""An upstream that answers what a test wrote down, for answers that no real one can be brought to give."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any


@asynccontextmanager
async def canned_upstream(answers: Mapping[str, Any]) -> AsyncIterator[str]:
    """Answer each path (without its query) with its JSON, else 404; yield the URL."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        path = request.split(" ")[1].partition("?")[0]
        status, body = ("200 OK", answers[path]) if path in answers else ("404 Not Found", {})
        content = json.dumps(body).encode()
        head = f"HTTP/1.1 {status}\r\nContent-Length: {len(content)}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode() + content)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        yield f"http://{host}:{port}"
