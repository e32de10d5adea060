"""Images over HTTP: listing and reading them, at once or when they have settled."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from activities.waiting import WaitNote
from models.postgres.database import Database
from tests.support.builds.api_builds import ReportingBuilder, begun, succeeded
from tests.support.eventually import eventually
from tests.support.servers.api_server import RunningApi, order_of, running_api


async def test_a_list_is_the_newest_first_in_pages_that_stay(server: RunningApi) -> None:
    ids = [(await server.order(f"hello-{number}"))["id"] for number in range(7)]
    first = await server.http.get("/api/v1/images", params={"limit": 3, "status_filter": "pending"})
    seen, link = [image["id"] for image in first.json()], first.links["next"]["url"]
    await server.order("later")  # comes before the first page: no page that follows shifts
    while True:
        page = await server.http.get(link)
        seen += [image["id"] for image in page.json()]
        if "next" not in page.links:
            break
        link = page.links["next"]["url"]
        assert "status_filter=pending" in link
    assert seen == ids[::-1]


async def test_a_list_keeps_its_filters_from_page_to_page(server: RunningApi) -> None:
    for number in range(4):
        await server.order("team/app", repo="octo_corp/my.app", tag=f"v{number}")
        await server.order(f"other-{number}", tag=f"v{number}")
    wanted = {"name": "docker.io/team/app", "repo": "Octo_Corp/my.app", "status_filter": "pending", "limit": "3"}
    first = await server.http.get("/api/v1/images", params=wanted)
    link = httpx.URL(first.links["next"]["url"])
    assert dict(link.params) == wanted | {"cursor": link.params["cursor"]}
    rest = await server.http.get(str(link))
    assert [image["tag"] for image in first.json() + rest.json()] == ["v3", "v2", "v1", "v0"]
    assert "link" not in rest.headers
    one = await server.http.get("/api/v1/images", params={"name": "team/app", "tag": "v2", "repo": ""})
    assert [(image["name"], image["tag"]) for image in one.json()] == [("team/app", "v2")]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("name", "team/app:v1"),
        ("name", "slipway/own"),
        ("name", "\x00"),
        ("repo", "app"),
        ("repo", "a/b/c"),
        ("tag", "a/b"),
    ],
)
async def test_a_filter_that_no_image_could_meet_says_what_it_must_be(
    bystander: RunningApi, name: str, value: str
) -> None:
    answer = await bystander.http.get("/api/v1/images", params={name: value})
    assert (answer.status_code, answer.json()["errors"][0]["loc"]) == (422, ["query", name])
    assert answer.json()["detail"].startswith(f"{name} must ")


async def test_a_list_shows_the_last_line_while_building_and_the_tail_after_a_failure(
    server: RunningApi, builder: ReportingBuilder
) -> None:
    _, checkpoint = await begun(server, builder, image_name="building")
    attempt = await builder.attempt(checkpoint.build_id)
    await builder.progress(attempt, 3, 12, "compiling")
    failing, checkpoint = await begun(server, builder, image_name="failing")
    attempt = await builder.attempt(checkpoint.build_id)
    await builder.end(attempt, "failed", tail="boom\n", loss="The engine clipped 3 lines.", notices=("Git LFS.",))
    await builder.fail(checkpoint, "Docker build failed: exit code 2")
    await succeeded(server, builder, image_name="done")
    await server.order("waiting")

    images = {image["name"]: image for image in (await server.http.get("/api/v1/images")).json()}
    assert {name: image["build_log"] for name, image in images.items()} == {
        "waiting": None,
        "done": None,
        "failing": "boom\n",
        "building": "compiling",
    }
    assert images["building"]["progress"] == {"step": 3, "steps": 12, "text": "step 3 of 12"}
    assert images["failing"]["log_notice"] == "The engine clipped 3 lines."
    assert images["failing"]["notices"] == ["Git LFS.", "The engine clipped 3 lines."]
    assert images["done"]["notices"] == []
    for status, names in {"failed": ["failing"], "success": ["done"], "building": ["building"], "": [*images]}.items():
        page = await server.http.get("/api/v1/images", params={"status_filter": status})
        assert [image["name"] for image in page.json()] == names
    assert failing["build_status"] == "pending"


async def test_an_image_says_what_its_build_waits_for(
    server: RunningApi, builder: ReportingBuilder, database: Database
) -> None:
    row, checkpoint = await begun(server, builder)
    assert row["waits_for"] is None
    note = WaitNote(database, server.api.given.hints, checkpoint)
    await note.tell("GitHub does not answer.")
    assert (await server.image(row["id"]))["waits_for"] == "GitHub does not answer."
    assert (await server.http.get("/api/v1/images")).json()[0]["waits_for"] == "GitHub does not answer."
    await builder.succeed(checkpoint)
    assert (await server.image(row["id"]))["waits_for"] is None


@pytest.mark.parametrize(
    "query", [{"limit": 0}, {"limit": 1001}, {"limit": "many"}, {"status_filter": "done"}, {"cursor": "abc"}], ids=str
)
async def test_a_list_of_odd_wishes_is_refused(bystander: RunningApi, query: dict[str, Any]) -> None:
    assert (await bystander.http.get("/api/v1/images", params=query)).status_code == 422


@pytest.mark.parametrize("path", ["/999", "/0", "/-1", "/99999999999999999999", "/999/log", "/999/log/stream"])
async def test_an_image_that_is_not_there_is_404(bystander: RunningApi, path: str) -> None:
    answer = await bystander.http.get(f"/api/v1/images{path}")
    assert answer.status_code == 404
    assert answer.json()["code"] == "image_not_found"


@pytest.mark.parametrize(
    "spelled", ["hello", "1_0", "+1", "01", "%201", "1%20", "1.0", "0x1", "%D9%A1", "--1", "9" * 5000]
)
async def test_an_id_that_is_no_number_in_plain_digits_is_422(bystander: RunningApi, spelled: str) -> None:
    for path in (f"/api/v1/images/{spelled}", f"/api/v1/images/{spelled}/log"):
        answer = await bystander.http.get(path)
        assert answer.status_code == 422
        assert answer.json()["detail"] == "image_id must be a number in plain digits, such as 7."
        assert answer.json()["errors"][0]["loc"] == ["path", "image_id"]


async def test_who_waits_gets_the_final_row_as_soon_as_it_is_there(
    server: RunningApi, builder: ReportingBuilder
) -> None:
    ordering = asyncio.create_task(server.http.post("/api/v1/images?wait=300", json=order_of()))

    async def images() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await server.http.get("/api/v1/images")).json()
        return found

    image = (await eventually(images))[0]
    reading = asyncio.create_task(server.image(image["id"], wait=300))
    checkpoint = await builder.claim(image["build_id"])
    assert not ordering.done()
    await builder.succeed(checkpoint)
    ordered = await ordering
    assert ordered.status_code == 200
    assert ordered.json()["build_status"] == "success"
    assert (await reading)["build_status"] == "success"


async def test_waiting_without_an_end_gets_the_ordinary_answer(server: RunningApi) -> None:
    answer = await server.http.post("/api/v1/images?wait=1", json=order_of())
    assert answer.status_code == 201
    assert answer.json()["build_status"] == "pending"
    assert (await server.image(answer.json()["id"], wait=1))["build_status"] == "pending"


async def test_a_wait_that_ran_out_shows_how_far_the_build_is_by_then(
    server: RunningApi, builder: ReportingBuilder
) -> None:
    key = {"Idempotency-Key": "order-1"}
    row = (await server.http.post("/api/v1/images", json=order_of(), headers=key)).json()
    await builder.claim(row["build_id"])
    answer = await server.http.post("/api/v1/images?wait=1", json=order_of(), headers=key)
    assert (answer.status_code, answer.json()["build_status"]) == (201, "building")
    assert answer.headers["location"] == f"/api/v1/images/{row['id']}"


@pytest.mark.parametrize("seconds", ["-1", "long", "1.5", ""])
async def test_an_odd_wait_is_refused(bystander: RunningApi, seconds: str) -> None:
    for answer in (
        await bystander.http.post(f"/api/v1/images?wait={seconds}", json=order_of()),
        await bystander.http.get(f"/api/v1/images/1?wait={seconds}"),
    ):
        assert (answer.status_code, answer.json()["detail"]) == (422, "wait must be an integer, 0 or more.")


async def test_who_asks_to_wait_for_longer_than_five_minutes_is_not_refused(
    server: RunningApi, builder: ReportingBuilder
) -> None:
    image = await succeeded(server, builder)
    assert (await server.image(image["id"], wait=600))["build_status"] == "success"
    answer = await server.http.post("/api/v1/images?wait=600", json=order_of("other", repo="no-slash"))
    assert answer.json()["errors"][0]["loc"] == ["body", "repo"], "nothing is wrong with the wait"


async def test_a_stopping_process_lets_those_who_wait_go(server: RunningApi) -> None:
    image = await server.order()
    waiting = asyncio.create_task(server.image(image["id"], wait=300))
    await eventually(_is_watched(server))
    await server.stop()
    assert (await waiting)["build_status"] == "pending"


def _is_watched(server: RunningApi) -> Callable[[], Awaitable[bool]]:
    async def look() -> bool:
        return bool(server.api.given.hints._watches)

    return look


async def test_both_spellings_of_a_path_answer_directly(server: RunningApi) -> None:
    image = (await server.http.post("/api/v1/images/", json=order_of())).json()
    for path in ("/api/v1/images/", f"/api/v1/images/{image['id']}/", f"/api/v1/images/{image['id']}/log/", "/ready/"):
        answer = await server.http.get(path, follow_redirects=False)
        assert answer.status_code in {200, 503}
        assert answer.status_code == (await server.http.get(path.rstrip("/"))).status_code


async def test_an_unchanged_image_is_304(server: RunningApi, builder: ReportingBuilder) -> None:
    image = await server.order()
    for path in (f"/api/v1/images/{image['id']}", "/api/v1/images"):
        tag = (await server.http.get(path)).headers["etag"]
        same = await server.http.get(path, headers={"If-None-Match": tag})
        assert (same.status_code, same.content) == (304, b"")
        assert same.headers["etag"] == tag
    await builder.claim(image["build_id"])
    assert (await server.http.get(path, headers={"If-None-Match": tag})).status_code == 200


async def test_a_second_process_sees_what_the_first_was_told(
    database_url: str, server: RunningApi, tmp_path: Path
) -> None:
    async with running_api(database_url, tmp_path) as second:
        image = await server.order()
        assert await second.image(image["id"]) == await server.image(image["id"])
        assert (await second.http.post("/api/v1/images", json=order_of())).status_code == 409
