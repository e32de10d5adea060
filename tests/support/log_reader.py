"""Readers of a build's log stream, as clients of other people write them: they lose their connection, and go on."""

import base64
import json
import random
from dataclasses import dataclass, field
from typing import Any

import httpx

from standalone.demo.event_stream import server_events


@dataclass
class ReadLog:
    """What a reader got: the bytes of the newest attempt, and how the stream ended."""

    data: bytearray = field(default_factory=bytearray)
    last_id: str = ""
    attempts: list[int] = field(default_factory=list)
    end: dict[str, Any] | None = None
    connections: int = 0

    def take(self, kind: str, data: str, event_id: str) -> None:
        self.last_id = event_id or self.last_id
        if kind == "log":
            part = json.loads(data)
            assert part["offset"] == len(self.data), "a gap or a repeat"
            self.data += part["text"].encode() if "text" in part else base64.b64decode(part["base64"])
        elif kind == "attempt":
            self.attempts.append(json.loads(data)["attempt"])
            self.data.clear()
        elif kind == "end":
            self.end = json.loads(data)


async def read_stream(http: httpx.AsyncClient, image_id: int, *, disconnects: int = 0, seed: int = 1) -> ReadLog:
    """Read to the end, closing the connection `disconnects` times after a random number of events."""
    log, chance = ReadLog(), random.Random(seed)
    while log.end is None:
        log.connections += 1
        left = chance.randint(1, 5) if log.connections <= disconnects else None
        headers = {"Last-Event-ID": log.last_id} if log.last_id else {}
        async with http.stream("GET", f"/api/v1/images/{image_id}/log/stream", headers=headers) as answer:
            answer.raise_for_status()
            async for event in server_events(answer):
                log.take(event.event, event.data, event.id)
                left = left - 1 if left is not None else None
                if left == 0 or log.end is not None:
                    break
    return log


def bytes_of_steps(log: bytes) -> dict[int, bytes]:
    """Take a log apart by its `Step n/m : …` lines: what each step wrote, with the notes on cached steps left out."""
    steps: dict[int, bytearray] = {}
    current: bytearray | None = None
    for line in log.splitlines(keepends=True):
        words = line.split(b" ", 3)
        if line.startswith(b"Step ") and len(words) == 4 and words[2] == b":":
            current = steps.setdefault(int(words[1].split(b"/")[0]), bytearray())
        elif current is not None and line != b" ---> Using cache\n":
            current += line
    return {number: bytes(data) for number, data in steps.items()}
