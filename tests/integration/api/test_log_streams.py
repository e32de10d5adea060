"""Logs over HTTP as they grow: streams of events."""

import asyncio
import json
import random
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from httpx_sse import ServerSentEvent

from models.repositories.build.wishes import BuildWishes
from models.rules.build_lifecycle import Wish
from models.rules.build_payloads import RequestedWish
from standalone.demo.event_stream import server_events
from tests.support.builds.api_builds import ReportingBuilder
from tests.support.builds.api_logs import MEBIBYTE, ODD, building_image, built_image, odd_log, whole_log
from tests.support.description import DESCRIPTION, is_valid
from tests.support.eventually import eventually
from tests.support.log_reader import ReadLog, read_stream
from tests.support.servers.api_server import RunningApi, gauge, running_api


async def _events(answer: httpx.Response, count: int) -> list[ServerSentEvent]:
    events = list[ServerSentEvent]()
    async for event in server_events(answer):
        events.append(event)
        if len(events) == count:
            break
    return events


def _stream(http: httpx.AsyncClient, image_id: int, last_id: str = "") -> Any:
    headers = {"Last-Event-ID": last_id} if last_id else {}
    return http.stream("GET", f"/api/v1/images/{image_id}/log/stream", headers=headers)


async def test_a_stream_over_fifty_disconnects_is_the_same_as_the_log(
    server: RunningApi, builder: ReportingBuilder, database_url: str, tmp_path: Path
) -> None:
    data = odd_log(3_000_000)
    image_id, checkpoint, attempt = await building_image(server, builder)

    async def build() -> None:
        for start in range(0, len(data), 50_021):
            await builder.write(attempt, data[start : start + 50_021])
        await builder.end(attempt, "succeeded", loss="The engine clipped one line.")
        await builder.succeed(checkpoint)

    async with running_api(database_url, tmp_path) as second:
        readers = [
            read_stream(each.http, image_id, disconnects=50, seed=seed) for seed, each in enumerate((server, second))
        ]
        building = asyncio.create_task(build())
        logs = await asyncio.gather(*readers)
        await building
    for log in logs:
        assert bytes(log.data) == data
        assert log.end == {"status": "success", "build_error": None, "log_notice": "The engine clipped one line."}
    assert await whole_log(server.http, image_id) == data
    assert await gauge(server, "api_log_readers") == 0.0


async def test_a_stream_goes_on_at_any_byte(server: RunningApi, builder: ReportingBuilder) -> None:
    data = odd_log(200_000)
    image_id, _ = await built_image(server, builder, data)
    for offset in [0, len(data), *random.Random(3).sample(range(len(data)), 50)]:
        log = ReadLog(bytearray(data[:offset]), last_id=f"1.1.{offset}")
        async with _stream(server.http, image_id, log.last_id) as answer:
            async for event in server_events(answer):
                log.take(event.event, event.data, event.id)
        assert bytes(log.data) == data
        assert log.end is not None


async def test_a_stream_tells_of_a_new_attempt_and_of_the_end(server: RunningApi, builder: ReportingBuilder) -> None:
    image = await server.order()
    reading = asyncio.create_task(read_stream(server.http, image["id"]))
    await eventually(lambda: gauge(server, "api_log_readers"))
    checkpoint = await builder.claim(image["build_id"])
    first = await builder.attempt(checkpoint.build_id)
    await builder.write(first, b"cut off")
    second = await builder.attempt(checkpoint.build_id)
    await builder.write(second, b"whole\n")
    await builder.end(second, "failed", tail="whole\n")
    await builder.fail(checkpoint, "Docker build failed: exit code 9")
    log = await reading
    assert bytes(log.data) == b"whole\n"
    assert log.attempts[-1] == 2
    assert log.end == {"status": "failed", "build_error": "Docker build failed: exit code 9", "log_notice": None}


@pytest.mark.parametrize("last_id", ["1.1.3", "1.7.0", "1.2.999", "2.2.7", "0.2.7", "2.7", "1.1.3.end", "1.3"])
async def test_a_place_that_is_not_there_begins_the_newest_attempt_anew(
    server: RunningApi, builder: ReportingBuilder, last_id: str
) -> None:
    image_id, checkpoint, first = await building_image(server, builder)
    await builder.write(first, b"first\n")
    second = await builder.attempt(checkpoint.build_id)
    await builder.write(second, b"second\n")
    async with _stream(server.http, image_id, last_id) as answer:
        began, wrote = await _events(answer, 2)
    assert (began.event, began.id) == ("attempt", "1.2.0")
    assert json.loads(began.data) == {"generation": 1, "attempt": 2}
    assert (wrote.event, wrote.id, json.loads(wrote.data)) == ("log", "1.2.7", {"offset": 0, "text": "second\n"})


async def test_a_reader_of_an_image_that_is_built_again_begins_the_new_log_anew(
    server: RunningApi, builder: ReportingBuilder
) -> None:
    image_id, _ = await built_image(server, builder, b"the first build's log, which is long\n")
    first = await read_stream(server.http, image_id)
    again = await server.order(force_rebuild=True)
    checkpoint = await builder.claim(again["build_id"])
    attempt = await builder.attempt(checkpoint.build_id)
    await builder.write(attempt, b"the second build's log, which is much longer than the first one's was\n")
    for last_id in (first.last_id, first.last_id.removesuffix(".end"), "1.1.3"):
        async with _stream(server.http, image_id, last_id) as answer:
            began, wrote = await _events(answer, 2)
        assert (began.event, began.id) == ("attempt", "2.1.0")
        assert json.loads(began.data) == {"generation": 2, "attempt": 1}
        assert json.loads(wrote.data)["offset"] == 0
        assert json.loads(wrote.data)["text"].startswith("the second")


async def test_who_heard_the_end_of_a_build_that_is_resumed_hears_how_it_goes_on(
    server: RunningApi, builder: ReportingBuilder
) -> None:
    image_id, checkpoint, attempt = await building_image(server, builder)
    await builder.write(attempt, b"cut")
    await builder.end(attempt, "failed", tail="cut")
    await builder.fail(checkpoint, "no luck")
    heard = await read_stream(server.http, image_id)
    path, headers = f"/api/v1/images/{image_id}/log/stream", {"Last-Event-ID": heard.last_id}
    assert (await server.http.get(path, headers=headers)).status_code == 204
    async with server.api.given.requests.transaction() as session:
        await BuildWishes(session).want(checkpoint.build_id, RequestedWish(wish=Wish.RESUME), "anonymous")
    async with _stream(server.http, image_id, heard.last_id) as answer:
        assert answer.status_code == 200
        checkpoint = await builder.claim(str(checkpoint.build_id))
        second = await builder.attempt(checkpoint.build_id)
        await builder.write(second, b"whole\n")
        began, wrote = await _events(answer, 2)
    assert (began.event, began.id) == ("attempt", "1.2.0")
    assert (wrote.id, json.loads(wrote.data)) == ("1.2.6", {"offset": 0, "text": "whole\n"})


async def test_who_heard_a_failed_builds_end_hears_the_next_build(
    server: RunningApi, builder: ReportingBuilder
) -> None:
    image_id, checkpoint, attempt = await building_image(server, builder)
    await builder.write(attempt, b"cut")
    await builder.end(attempt, "failed", tail="cut")
    await builder.fail(checkpoint, "no luck")
    heard = await read_stream(server.http, image_id)
    assert heard.last_id == "1.1.3.end"
    row = await server.order()
    assert row["id"] == image_id
    async with _stream(server.http, image_id, heard.last_id) as answer:
        (began,) = await _events(answer, 1)
    assert (answer.status_code, began.event, began.id) == (200, "attempt", "2.0.0")


@pytest.mark.parametrize("last_id", ["x", "1", "1.-1", "1.2.3.4", "0x1.1.1", "1.1.1.End", "1.1.end.1", "9" * 999])
async def test_an_id_that_no_stream_gave_is_refused(server: RunningApi, last_id: str) -> None:
    image = await server.order()
    async with _stream(server.http, image["id"], last_id) as answer:
        assert answer.status_code == 422


async def test_the_header_counts_before_the_address_but_both_must_be_ids(
    server: RunningApi, builder: ReportingBuilder
) -> None:
    image_id, _ = await built_image(server, builder, b"done\n")
    path, headers = f"/api/v1/images/{image_id}/log/stream", {"Last-Event-ID": "1.1.5.end"}
    newest = await server.http.get(path, params={"last_event_id": "1.1.0"}, headers=headers)
    assert newest.status_code == 204
    assert (await server.http.get(path, params={"last_event_id": "x"}, headers=headers)).status_code == 422


async def test_events_are_as_described(server: RunningApi, builder: ReportingBuilder) -> None:
    stream = DESCRIPTION["paths"]["/api/v1/images/{image_id}/log/stream"]["get"]["responses"]["200"]
    described = stream["content"]["text/event-stream"]["schema"]
    data = {each["properties"]["event"]["const"]: each["properties"]["data"] for each in described["oneOf"]}
    image_id, _ = await built_image(server, builder, ODD)
    async with _stream(server.http, image_id, "7.7.7") as answer:
        events = await _events(answer, 99)
    assert {event.event for event in events} == {"attempt", "log", "end"}
    for event in events:
        assert is_valid({"event": event.event, "data": event.data, "id": event.id}, described), event
        assert is_valid(json.loads(event.data), data[event.event]["contentSchema"]), event


async def test_who_comes_back_after_the_end_gets_the_end_again(server: RunningApi, builder: ReportingBuilder) -> None:
    image_id, _ = await built_image(server, builder, b"done\n")
    async with server.http.stream(
        "GET", f"/api/v1/images/{image_id}/log/stream", params={"last_event_id": "1.1.5"}
    ) as answer:
        (end,) = await _events(answer, 9)
    assert (end.event, end.id) == ("end", "1.1.5.end")


async def test_who_heard_the_end_is_told_not_to_come_back(server: RunningApi, builder: ReportingBuilder) -> None:
    image_id, _ = await built_image(server, builder, b"done\n")
    last_id = (await read_stream(server.http, image_id)).last_id
    path = f"/api/v1/images/{image_id}/log/stream"
    for answer in (
        await server.http.get(path, headers={"Last-Event-ID": last_id}),
        await server.http.get(path, params={"last_event_id": last_id}),
    ):
        assert (answer.status_code, answer.content) == (204, b"")


@pytest.mark.parametrize("last_id", ["", "1.1.0", "7.7.7"])
async def test_a_streams_first_event_says_how_soon_to_come_back_and_no_event_is_empty(
    server: RunningApi, builder: ReportingBuilder, last_id: str
) -> None:
    image_id, _ = await built_image(server, builder, ODD)
    async with _stream(server.http, image_id, last_id) as answer:
        blocks = (await answer.aread()).strip().split(b"\n\n")
    assert [b"\nretry: 1000" in block for block in blocks] == [True] + [False] * (len(blocks) - 1)
    assert all(b"\ndata: {" in block for block in blocks)


async def test_the_head_of_a_stream_comes_without_waiting_for_the_builds_end(server: RunningApi) -> None:
    image = await server.order()
    answer = await server.http.head(f"/api/v1/images/{image['id']}/log/stream")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"].startswith("text/event-stream")


async def test_a_reader_who_does_not_read_harms_nobody(server: RunningApi, builder: ReportingBuilder) -> None:
    image_id, checkpoint, attempt = await building_image(server, builder)
    data = odd_log(12_000_000, seed=5)
    async with _stream(server.http, image_id) as slow:
        reading = asyncio.create_task(read_stream(server.http, image_id))
        for start in range(0, len(data), 400_000):
            await builder.write(attempt, data[start : start + 400_000])
        await builder.end(attempt, "succeeded")
        await builder.succeed(checkpoint)
        assert bytes((await reading).data) == data
        assert (await server.http.get("/api/v1/images")).is_success
        tail = server.api.tails._tails[UUID(str(checkpoint.build_id))]
        assert tail.ring.end - tail.ring.start < 2 * MEBIBYTE
        late = ReadLog()
        async for event in server_events(slow):
            late.take(event.event, event.data, event.id)
    assert bytes(late.data) == data


async def test_many_readers_share_one_tail_and_hold_no_connection(
    server: RunningApi, builder: ReportingBuilder
) -> None:
    image_id, checkpoint, attempt = await building_image(server, builder)
    reading = [asyncio.create_task(read_stream(server.http, image_id)) for _ in range(100)]
    await eventually(lambda: gauge(server, "api_log_readers"), lambda readers: readers == 100)
    assert len(server.api.tails._tails) == 1
    data = odd_log(100_000)
    await builder.write(attempt, data)
    await builder.end(attempt, "succeeded")
    await builder.succeed(checkpoint)
    assert {bytes(log.data) for log in await asyncio.gather(*reading)} == {data}


async def test_a_stopping_process_says_when_to_come_back(
    server: RunningApi, builder: ReportingBuilder, database_url: str, tmp_path: Path
) -> None:
    image_id, checkpoint, attempt = await building_image(server, builder)
    await builder.write(attempt, b"before\n")
    async with running_api(database_url, tmp_path) as second, _stream(second.http, image_id) as answer:
        chunks = answer.aiter_bytes()
        got = b""
        while b"before" not in got:
            got += await anext(chunks)
        stopping = asyncio.create_task(second.stop())
        got = b"".join([chunk async for chunk in chunks])
        await stopping
    assert got.strip() == b"retry: 1000"
    await builder.write(attempt, b"after\n")
    await builder.end(attempt, "succeeded")
    await builder.succeed(checkpoint)
    assert bytes((await read_stream(server.http, image_id)).data) == b"before\nafter\n"
