"""Logs of builds over HTTP, with every kind of thing that a log may hold."""

import random
from typing import Any

import httpx

from models.rules.build_payloads import Checkpoint
from tests.support.builds.api_builds import Attempt, ReportingBuilder
from tests.support.servers.api_server import RunningApi

MEBIBYTE = 1024 * 1024
# every kind of thing that a log may hold
ODD = (
    "Step 1/2 : RUN x\n€ 😀 \x1b[31mred\x1b[0m 10%\r20%\r\n".encode() + b"NUL \x00 bad \xff\xfe\xe2\x82 end\n" + b"\xe2"
)


async def building_image(server: RunningApi, builder: ReportingBuilder) -> tuple[int, Checkpoint, Attempt]:
    image = await server.order()
    checkpoint = await builder.claim(image["build_id"])
    return image["id"], checkpoint, await builder.attempt(checkpoint.build_id)


async def built_image(server: RunningApi, builder: ReportingBuilder, data: bytes) -> tuple[int, Attempt]:
    image_id, checkpoint, attempt = await building_image(server, builder)
    for start in range(0, len(data), 300_000):
        await builder.write(attempt, data[start : start + 300_000])
    await builder.end(attempt, "succeeded")
    await builder.succeed(checkpoint)
    return image_id, attempt


def odd_log(size_bytes: int, seed: int = 1) -> bytes:
    chance, parts, size = random.Random(seed), list[bytes](), 0
    while size < size_bytes:
        part = chance.choice([ODD, b"x" * 3000, chance.randbytes(50), "Ж".encode() * 40, b"line %d\n" % size])
        parts.append(part)
        size += len(part)
    return b"".join(parts)


async def whole_log(http: httpx.AsyncClient, image_id: int, **query: Any) -> bytes:
    return (await http.get(f"/api/v1/images/{image_id}/log", params=query)).raise_for_status().content
