"""Repeats under one Idempotency-Key get the first answer."""

import asyncio
import json
from pathlib import Path

import pytest

from api.border.idempotency import REPLAYED
from models.postgres.database import Database
from tests.support.builds.addresses import build_of, delivery_by
from tests.support.builds.api_builds import ReportingBuilder
from tests.support.servers.api_server import RunningApi, order_of, running_api

PATH = "/api/v1/images"
KEY = {"Idempotency-Key": "order-1"}


async def test_a_hundred_repeats_at_once_get_equal_answers_of_one_build(
    server: RunningApi, database: Database, database_url: str, tmp_path: Path
) -> None:
    async with running_api(database_url, tmp_path, runs=server.runs) as second:
        posts = [each.http.post(PATH, json=order_of(), headers=KEY) for each in (server, second) for _ in range(50)]
        answers = await asyncio.gather(*posts)
    assert {answer.status_code for answer in answers} == {201}
    assert len({(answer.content, answer.headers["location"]) for answer in answers}) == 1
    assert sum(REPLAYED not in answer.headers for answer in answers) == 1
    assert len((await server.http.get(PATH)).json()) == 1
    await server.stop()
    await delivery_by(database, server.runs).deliver_some()  # the relay's part: a busy API leaves it some
    assert len({build_of(poke) for poke in server.runs.pokes}) == 1


async def test_another_body_under_the_key_is_refused(server: RunningApi) -> None:
    await server.http.post(PATH, json=order_of(), headers=KEY)
    answer = await server.http.post(PATH, json=order_of("other"), headers=KEY)
    assert answer.status_code == 422
    assert answer.json()["code"] == "idempotency_key_reused"
    assert len((await server.http.get(PATH)).json()) == 1


async def test_the_first_answer_stands_though_the_world_moved_on(server: RunningApi) -> None:
    first = await server.http.post(PATH, json=order_of(), headers=KEY)
    builder = ReportingBuilder(server.api.given.requests)
    await builder.register()
    await builder.succeed(await builder.claim(first.json()["build_id"]))
    again = await server.http.post(f"{PATH}/", json=order_of(), headers=KEY)
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers[REPLAYED] == "true"


async def test_a_refusal_is_kept_like_any_answer(server: RunningApi) -> None:
    image = await server.order()
    first = await server.http.post(PATH, json=order_of(), headers=KEY)
    assert first.status_code == 409
    builder = ReportingBuilder(server.api.given.requests)
    await builder.register()
    await builder.fail(await builder.claim(image["build_id"]), "no luck")
    again = await server.http.post(PATH, json=order_of(), headers=KEY)
    assert (again.status_code, again.content) == (409, first.content)
    assert again.headers["location"] == first.headers["location"] == f"/api/v1/images/{image['id']}"
    assert again.headers["content-type"] == "application/problem+json"
    assert (await server.http.post(PATH, json=order_of())).status_code == 201


async def test_an_answer_of_503_is_not_kept(database_url: str, tmp_path: Path) -> None:
    async with running_api(database_url, tmp_path, queue_limit=1) as server:
        image = await server.order("first")
        full = await server.http.post(PATH, json=order_of(), headers=KEY)
        assert full.status_code == 503
        builder = ReportingBuilder(server.api.given.requests)
        await builder.register()
        await builder.succeed(await builder.claim(image["build_id"]))
        assert (await server.http.post(PATH, json=order_of(), headers=KEY)).status_code == 201


@pytest.mark.parametrize(
    "wrong", [b'{"repo": 1}', json.dumps(order_of(tag="-")).encode(), b'{"repo": ', b"\xff\xfe", b""], ids=str
)
async def test_a_wrong_body_uses_the_key_up_like_any_other(server: RunningApi, wrong: bytes) -> None:
    headers = KEY | {"Content-Type": "application/json"}
    first = await server.http.post(PATH, content=wrong, headers=headers)
    assert (first.status_code, first.json()["code"]) == (422, "request_invalid")
    again = await server.http.post(PATH, content=wrong, headers=headers)
    assert (again.status_code, again.content) == (422, first.content)
    assert (again.headers[REPLAYED], again.headers["content-type"]) == ("true", "application/problem+json")
    mended = await server.http.post(PATH, json=order_of(), headers=KEY)
    assert (mended.status_code, mended.json()["code"]) == (422, "idempotency_key_reused")
    assert (await server.http.post(PATH, json=order_of())).status_code == 201


async def test_a_wrong_body_under_a_used_key_is_told_of_the_key(server: RunningApi) -> None:
    await server.http.post(PATH, json=order_of(), headers=KEY)
    answer = await server.http.post(PATH, json={"repo": 1}, headers=KEY)
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")


async def test_a_wrong_query_does_not_use_the_key_up(server: RunningApi) -> None:
    for body in (order_of(), {"repo": 1}):
        assert (await server.http.post(f"{PATH}?wait=long", json=body, headers=KEY)).status_code == 422
    assert (await server.http.post(PATH, json=order_of(), headers=KEY)).status_code == 201


@pytest.mark.parametrize("key", ["", "two words", "x" * 256, "tab\there"])
async def test_a_key_must_be_visible_and_short(server: RunningApi, key: str) -> None:
    answer = await server.http.post(PATH, json=order_of(), headers={"Idempotency-Key": key})
    assert answer.status_code == 422
    assert (await server.http.get(PATH)).json() == []


async def test_of_two_keys_none_is_taken(server: RunningApi) -> None:
    for second in ("order-1", "order-2"):
        headers = [("Idempotency-Key", "order-1"), ("Idempotency-Key", second)]
        answer = await server.http.post(PATH, json=order_of(), headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (422, "request_invalid")
    assert (await server.http.get(PATH)).json() == []


async def test_who_repeats_and_waits_gets_the_final_row(server: RunningApi) -> None:
    first = await server.http.post(PATH, json=order_of(), headers=KEY)
    builder = ReportingBuilder(server.api.given.requests, server.api.given.hints)
    await builder.register()
    await builder.succeed(await builder.claim(first.json()["build_id"]))
    again = await server.http.post(f"{PATH}?wait=60", json=order_of(), headers=KEY)
    assert again.status_code == 200
    assert again.json()["build_status"] == "success"
