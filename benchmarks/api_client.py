"""The API's client: one, warm, on loopback, and in no hurry to believe."""

import base64
import json
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from benchmarks.sources import Source
from standalone.demo.event_stream import server_events

_IMAGES = "/api/v1/images"
_SETTLED = frozenset({"success", "failed"})
_LONGEST_WAIT_SECONDS = 200

ImageRow = dict[str, Any]


class NotMeasurable(Exception):
    """What was to be measured did not happen; the text says what happened instead."""


@dataclass(frozen=True)
class LogPart:
    """Bytes of a log, and when they were in the client's hands (seconds since 1970)."""

    data: bytes
    at: float = field(default_factory=time.time)


class ApiClient:
    def __init__(self, http: httpx.AsyncClient, prefix: str) -> None:
        """`prefix` begins the name of every image ordered here."""
        self.http = http
        self._prefix = prefix

    async def order(
        self, source: Source, build_args: Mapping[str, str] | None = None, *, wait_seconds: int = 0
    ) -> ImageRow:
        """POST the build of a source's image, also when that image is there already; return the answered row."""
        body = {
            "repo": source.repo,
            "tag": source.tag,
            "commit_sha": source.commit,
            "image_name": f"{self._prefix}/{source.repo}",
            "build_args": dict(build_args or {}),
            "force_rebuild": True,
        }
        wait = {"wait": wait_seconds} if wait_seconds else {}
        return _row(await self.http.post(_IMAGES, json=body, params=wait))

    async def build(self, source: Source, build_args: Mapping[str, str] | None = None) -> ImageRow:
        """POST a build and return its row when it has ended in success."""
        return _built(await self.order(source, build_args, wait_seconds=_LONGEST_WAIT_SECONDS))

    async def built(self, image_id: int) -> ImageRow:
        """Wait for the end of a build and return its row. Raises NotMeasurable when it is no success."""
        wait = {"wait": _LONGEST_WAIT_SECONDS}
        return _built(_row(await self.http.get(f"{_IMAGES}/{image_id}", params=wait)))

    async def image(self, image_id: int) -> ImageRow:
        return _row(await self.http.get(f"{_IMAGES}/{image_id}"))

    async def stored_log(self, image_id: int) -> bytes:
        plain = {"Accept-Encoding": "identity"}  # the log's own bytes are what is measured, not their compression
        return (await self.http.get(f"{_IMAGES}/{image_id}/log", headers=plain)).raise_for_status().content

    async def log(self, image_id: int) -> AsyncIterator[LogPart]:
        """Yield the log as its stream brings it, to the build's end."""
        async with self.http.stream("GET", f"{_IMAGES}/{image_id}/log/stream") as answer:
            answer.raise_for_status()
            async for event in server_events(answer):
                if event.event == "end":
                    return
                if event.event == "log":
                    yield LogPart(_bytes(json.loads(event.data)))
        raise NotMeasurable(f"the log stream of image {image_id} broke off")


def _row(answer: httpx.Response) -> ImageRow:
    if not answer.is_success:
        raise NotMeasurable(f"{answer.request.method} {answer.request.url.path}: {answer.text[:300]}")
    row: ImageRow = answer.json()
    return row


def _built(row: ImageRow) -> ImageRow:
    if row["build_status"] != "success":
        raise NotMeasurable(f"the build of {row['name']}:{row['tag']} is {row['build_status']}: {row['build_error']}")
    return row


def _bytes(part: dict[str, str]) -> bytes:
    return part["text"].encode() if "text" in part else base64.b64decode(part["base64"])
