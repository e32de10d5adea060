"""A build's log as it grows, out of the API's server-sent events."""

import base64
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import httpx

from standalone.errors import CannotStart

_TRIES = 5  # connections in a row that bring nothing


@dataclass(frozen=True)
class ServerEvent:
    kind: str
    data: str
    id: str


async def server_events(chunks: AsyncIterator[bytes]) -> AsyncIterator[ServerEvent]:
    """Yield events as the HTML standard reads them; one that is cut off in its middle is no event."""
    kind, data, last_id, rest = "message", list[str](), "", b""
    async for chunk in chunks:
        # Not by str.splitlines, which also breaks at characters that a log may hold, such as U+2028.
        *lines, rest = (rest + chunk).split(b"\n")
        for line in (line.removesuffix(b"\r").decode() for line in lines):
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if not line:
                if data:
                    yield ServerEvent(kind, "\n".join(data), last_id)
                kind, data = "message", []
            elif name == "event":
                kind = value
            elif name == "data":
                data.append(value)
            elif name == "id":
                last_id = value


async def follow_log(http: httpx.AsyncClient, image_id: int, write: Callable[[str], None]) -> None:
    """Write the log from its beginning to the build's end, over lost connections without a gap or a repeat."""
    last_id, idle = "", 0
    while idle < _TRIES:
        idle += 1
        headers = {"Accept": "text/event-stream", **({"Last-Event-ID": last_id} if last_id else {})}
        try:
            async with http.stream("GET", f"/api/v1/images/{image_id}/log/stream", headers=headers) as answer:
                answer.raise_for_status()
                async for event in server_events(answer.aiter_bytes()):
                    last_id, idle = event.id or last_id, 0
                    if event.kind == "end":
                        return
                    if event.kind == "log":
                        write(_text(json.loads(event.data)))
        except httpx.TransportError:
            continue
        except httpx.HTTPStatusError as error:
            raise CannotStart(f"the log of image {image_id} cannot be read: {error}") from error
    raise CannotStart(f"the log of image {image_id} broke off {_TRIES} times without a word")


def _text(part: dict[str, str]) -> str:
    return part["text"] if "text" in part else base64.b64decode(part["base64"]).decode(errors="replace")
