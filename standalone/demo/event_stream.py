"""A build's log as it grows, out of the API's server-sent events."""

import base64
import json
from collections.abc import AsyncGenerator, Callable

import httpx
from httpx_sse import EventSource, ServerSentEvent

from standalone.errors import CannotStart

_TRIES = 5  # connections in a row that bring nothing


async def server_events(answer: httpx.Response) -> AsyncGenerator[ServerSentEvent, None]:
    """Yield the events that bring something, as browsers do: a mere `retry:` or a comment is none."""
    async for event in EventSource(answer).aiter_sse():
        if event.data:
            yield event


async def follow_log(http: httpx.AsyncClient, image_id: int, write: Callable[[str], None]) -> None:
    """Write the log from its beginning to the build's end, over lost connections without a gap or a repeat."""
    last_id, idle = "", 0
    while idle < _TRIES:
        idle += 1
        headers = {"Last-Event-ID": last_id} if last_id else {}
        try:
            async with http.stream("GET", f"/api/v1/images/{image_id}/log/stream", headers=headers) as answer:
                answer.raise_for_status()
                async for event in server_events(answer):
                    last_id, idle = event.id or last_id, 0
                    if event.event == "end":
                        return
                    if event.event == "log":
                        write(_text(json.loads(event.data)))
        except httpx.TransportError:
            continue
        except httpx.HTTPStatusError as error:
            raise CannotStart(f"the log of image {image_id} cannot be read: {error}") from error
    raise CannotStart(f"the log of image {image_id} broke off {_TRIES} times without a word")


def _text(part: dict[str, str]) -> str:
    return part["text"] if "text" in part else base64.b64decode(part["base64"]).decode(errors="replace")
