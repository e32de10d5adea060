"""Conditions: who polls is told when nothing changed, and who changes something may name what he saw of it."""

from typing import Any

import httpx
import pytest

from models.postgres.database import Database
from tests.support.builds.api_builds import ReportingBuilder
from tests.support.servers.api_server import RunningApi, order_of

IMAGES = "/api/v1/images"
OTHER = '"0123456789abcdef"'


def _check_failed(answer: httpx.Response) -> None:
    assert (answer.status_code, answer.json()["code"]) == (412, "precondition_failed")
    assert answer.json()["detail"].endswith(".")
    assert answer.headers["content-type"] == "application/problem+json"


async def _ended(server: RunningApi, builder: ReportingBuilder, name: str = "hello") -> tuple[str, str]:
    """Order an image whose build ends well; return its path and its ETag."""
    image = await server.order(name)
    await builder.succeed(await builder.claim(image["build_id"]))
    path = f"{IMAGES}/{image['id']}"
    return path, (await server.http.get(path)).headers["etag"]


def _lines(*lines: str) -> list[tuple[str, str]]:
    return [("If-None-Match", line) for line in lines]


async def test_each_line_of_tags_is_read(server: RunningApi, builder: ReportingBuilder) -> None:
    path, tag = await _ended(server, builder)
    for known in (_lines(OTHER, tag), _lines(tag, OTHER), _lines(f"{OTHER}, W/{tag}"), _lines("*")):
        answer = await server.http.get(path, headers=known)
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", tag), known
        assert (await server.http.head(path, headers=known)).status_code == 304
    for unknown in (_lines(OTHER, 'W/"x"'), _lines(""), _lines(tag.strip('"')), _lines(OTHER, "*")):
        assert (await server.http.get(path, headers=unknown)).status_code == 200, unknown


async def test_each_line_of_tags_is_read_for_a_log_too(server: RunningApi, builder: ReportingBuilder) -> None:
    path, _tag = await _ended(server, builder)
    tag = (await server.http.get(f"{path}/log")).headers["etag"]
    assert (await server.http.get(f"{path}/log", headers=_lines(OTHER, tag))).status_code == 304


@pytest.mark.parametrize("condition", [OTHER, "W/{tag}", "", "nonsense", f"{OTHER}, W/{{tag}}"])
async def test_what_has_changed_since_it_was_read_is_not_deleted(
    server: RunningApi, builder: ReportingBuilder, condition: str
) -> None:
    path, tag = await _ended(server, builder)
    _check_failed(await server.http.delete(path, headers={"If-Match": condition.format(tag=tag)}))
    now = await server.http.get(path)
    assert (now.status_code, now.headers["etag"]) == (200, tag), "nothing was changed"


@pytest.mark.parametrize("condition", ["{tag}", "*", f"{OTHER}, {{tag}}"])
async def test_what_is_as_it_was_read_is_deleted(server: RunningApi, builder: ReportingBuilder, condition: str) -> None:
    path, tag = await _ended(server, builder)
    deleted = await server.http.delete(path, headers={"If-Match": condition.format(tag=tag)})
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert (await server.http.get(path)).status_code == 404


async def test_an_image_that_was_built_again_meanwhile_is_another(
    server: RunningApi, builder: ReportingBuilder
) -> None:
    path, tag = await _ended(server, builder)
    again = await server.order(force_rebuild=True)
    await builder.succeed(await builder.claim(again["build_id"]))
    _check_failed(await server.http.delete(path, headers={"If-Match": tag}))
    _check_failed(await server.http.delete(path, headers=[("If-None-Match", OTHER), ("If-None-Match", "*")][1:]))
    assert (await server.http.delete(path, headers=_lines(OTHER, tag))).status_code == 204


async def test_what_would_be_refused_anyway_is_told_why(server: RunningApi) -> None:
    image = await server.order()
    pending = await server.http.delete(f"{IMAGES}/{image['id']}", headers={"If-Match": OTHER})
    assert (pending.status_code, pending.json()["code"]) == (409, "image_in_use")
    assert (await server.http.delete(f"{IMAGES}/4711", headers={"If-Match": "*"})).status_code == 404


async def test_an_order_may_name_the_list_that_it_was_decided_on(server: RunningApi, database: Database) -> None:
    key = {"Idempotency-Key": "order-1"}
    before = (await server.http.get(IMAGES)).headers["etag"]
    _check_failed(await server.http.post(IMAGES, json=order_of(), headers=key | {"If-Match": OTHER}))
    _check_failed(await server.http.post(IMAGES, json=order_of(), headers=key | {"If-None-Match": before}))
    assert (await server.http.get(IMAGES)).json() == []
    first = await server.http.post(IMAGES, json=order_of(), headers=key | {"If-Match": before})
    assert (first.status_code, "idempotency-replayed" in first.headers) == (201, False), "a 412 kept no key"
    again = await server.http.post(IMAGES, json=order_of(), headers=key | {"If-Match": before})
    assert (again.status_code, again.content) == (201, first.content), "a repeat gets the first answer"
    _check_failed(await server.http.post(IMAGES, json=order_of("other"), headers={"If-Match": before}))


async def test_whatever_changes_something_says_that_it_holds_conditions(server: RunningApi) -> None:
    schema: dict[str, Any] = (await server.http.get("/openapi.json")).json()
    writes = [
        operation
        for methods in schema["paths"].values()
        for method, operation in methods.items()
        if method in {"post", "put", "patch", "delete"}
    ]
    assert len(writes) >= 2
    assert all("412" in operation["responses"] for operation in writes)
