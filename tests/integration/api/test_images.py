"""Images over HTTP: ordering and deleting them."""

import asyncio
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from models.postgres.database import Database
from models.repositories.event import EventRepository
from models.repositories.image.reading import ImageReading
from models.tables.project import Product, Project
from tests.support.builds.addresses import build_of, delivery_by
from tests.support.builds.api_builds import FULL_COMMIT, ReportingBuilder, begun, failed, succeeded
from tests.support.eventually import eventually
from tests.support.servers.api_server import RunningApi, order_of, running_api

MUST = ["id", "name", "tag", "github_repo", "github_ref", "commit_sha", "build_status", "build_log", "build_error"]
MUST += ["built_at", "created_at"]


async def test_an_order_is_a_pending_image_whose_build_is_delivered_at_once(server: RunningApi) -> None:
    answer = await server.http.post("/api/v1/images", json=order_of(), headers={"X-Correlation-ID": "from-ci-7"})
    image = answer.json()
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/api/v1/images/{image['id']}"
    assert list(image)[:11] == MUST
    assert image["build_status"] == "pending"
    assert image["github_ref"] == "refs/tags/v1.0.0"
    assert image["created_at"].endswith("Z")
    assert image["build_log"] is image["build_error"] is image["built_at"] is image["progress"] is None

    async def pokes() -> list[str]:
        return [poke.workflow_id for poke in server.runs.pokes]

    assert await eventually(pokes) == ["image-build/hello:v1.0.0/1"]
    assert server.runs.pokes[0].correlation_id == "from-ci-7"


async def test_an_order_is_taken_while_temporal_is_down(server: RunningApi, database: Database) -> None:
    server.runs.is_down = True
    image = await server.order()
    assert image["build_status"] == "pending"
    await server.api.gateway.drain(timedelta(seconds=5))
    assert server.runs.pokes == []
    server.runs.is_down = False  # and now the relay looks
    assert await eventually(lambda: delivery_by(database, server.runs).deliver_some()) == 1
    assert [str(build_of(poke)) for poke in server.runs.pokes] == [image["build_id"]]


@pytest.mark.parametrize("status", ["pending", "building", "success"])
async def test_a_second_order_of_the_same_image_names_the_first(
    server: RunningApi, builder: ReportingBuilder, status: str
) -> None:
    image = await server.order("busybox-like")
    if status != "pending":
        checkpoint = await builder.claim(image["build_id"])
        if status == "success":
            await builder.succeed(checkpoint)
    answer = await server.http.post("/api/v1/images", json=order_of("docker.io/library/busybox-like"))
    problem = answer.json()
    assert answer.status_code == 409
    assert problem["code"] == "image_exists"
    assert f"image {image['id']}" in problem["detail"]
    assert status in problem["detail"]
    assert (problem["image_id"], problem["build_id"]) == (image["id"], image["build_id"])
    assert problem["build_status"] == status
    assert answer.headers["location"] == f"/api/v1/images/{image['id']}"


async def test_what_is_in_the_way_is_where_the_refusal_leads(server: RunningApi) -> None:
    await server.order()
    refused = await server.http.post("/api/v1/images", json=order_of())
    there = await server.http.get(refused.headers["location"])
    assert there.json()["id"] == refused.json()["image_id"]
    assert there.json()["build_id"] == refused.json()["build_id"]


async def test_a_hundred_identical_orders_at_once_start_one_build(server: RunningApi, database: Database) -> None:
    answers = await asyncio.gather(*(server.http.post("/api/v1/images", json=order_of()) for _ in range(100)))
    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 99}
    created = next(answer.json() for answer in answers if answer.status_code == 201)
    assert len((await server.http.get("/api/v1/images")).json()) == 1

    async def delivered() -> set[str]:
        await delivery_by(database, server.runs).deliver_some()  # the relay's part: a busy API leaves it some
        return {str(build_of(poke)) for poke in server.runs.pokes}

    assert await eventually(delivered) == {created["build_id"]}


async def test_a_failed_image_is_built_again_in_its_row(server: RunningApi, builder: ReportingBuilder) -> None:
    first = await failed(server, builder)
    assert first["build_status"] == "failed"
    assert first["build_error"] == "Docker build failed: exit code 1"
    again = await server.order(repo="demo/other", commit_sha="fedcba9")
    assert again["id"] == first["id"]
    assert again["created_at"] == first["created_at"]
    assert again["build_id"] != first["build_id"]
    assert again["github_repo"] == "demo/other"
    assert again["build_error"] is again["build_log"] is None
    assert again["workflow_id"].endswith("/2")


async def test_a_success_is_built_again_only_when_that_is_asked_for(
    server: RunningApi, builder: ReportingBuilder
) -> None:
    done = await succeeded(server, builder)
    assert done["build_status"] == "success"
    assert done["commit_sha"] == FULL_COMMIT
    assert done["built_at"].endswith("Z")
    assert done["image_uri"] == "hello:v1.0.0"
    assert done["duration"] >= 0
    again = await server.order(force_rebuild=True)
    assert again["id"] == done["id"]
    assert again["built_at"] is again["image_uri"] is again["docker_image_id"] is None


@pytest.mark.parametrize(
    "change",
    [
        {"repo": "no-slash"},
        {"repo": "../.."},
        {"tag": "-v1"},
        {"tag": "v" * 101},
        {"tag": "v1;rm -rf /"},
        {"commit_sha": "12345"},
        {"commit_sha": "main"},
        {"image_name": "Upper/Case"},
        {"image_name": "hello:v1"},
        {"image_name": "slipway/own"},
        {"image_name": "docker.io/slipway/own"},
        {"dockerfile_path": "../Dockerfile"},
        {"dockerfile_path": "/etc/passwd"},
        {"context": "../other"},
        {"context": "/etc"},
        {"context": "service/../.."},
        {"context": ""},
        {"context": "a\\b"},
        {"context": "a\nb"},
        {"context": "a/" * 300},
        {"context": 1},
        {"context": ["."]},
        {"build_args": {"A B": "x"}},
        {"build_args": {"A": "\x00"}},
        {"build_args": {"A": 1}},
        {"build_args": ["A=1"]},
        {"target": "--rm"},
        {"secrets": ["a b"]},
        {"secrets": ["npm", "npm"]},
        {"secrets": "npm"},
        {"priority": 0},
        {"priority": 6},
        {"priority": "1"},
        {"force_rebuild": "yes"},
        {"tag": 1},
        {"tag": None},
        {"third_party_id": "x" * 256},
        {"third_party_id": "line\nbreak"},
        {"parser_id": "\x00"},
        {"project_id": "seven"},
        {"project_id": 7},
        {"project_id": ["seven"]},
        {"project_id": "\x00"},
        {"project_id": "x" * 256},
    ],
    ids=str,
)
async def test_a_malformed_order_is_refused(bystander: RunningApi, change: dict[str, Any]) -> None:
    answer = await bystander.http.post("/api/v1/images", json=order_of() | change)
    problem = answer.json()
    assert answer.status_code == 422, problem
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["code"] == "request_invalid"
    assert problem["errors"][0]["loc"][:2] == ["body", *change], "the field that is wrong"
    assert (await bystander.http.get("/api/v1/images")).json() == []


async def test_an_order_for_a_project_that_is_not_there_is_refused(bystander: RunningApi) -> None:
    for nowhere in ("7b9d5c36-4ac5-4dcb-8a8a-3a0d1d0b7c11", "no-such-project"):
        answer = await bystander.http.post("/api/v1/images", json=order_of() | {"project_id": nowhere})
        assert answer.status_code == 422
        assert nowhere in answer.json()["detail"]
        assert answer.json()["errors"][0]["loc"] == ["body", "project_id"]
    assert (await bystander.http.get("/api/v1/images")).json() == []


async def test_an_order_may_name_its_project_by_the_slug(server: RunningApi, database: Database) -> None:
    project = Project(name="The green one", slug="green")
    project_id = project.id
    async with database.transaction() as session:
        session.add(project)
    image = await server.order(project_id="green")
    async with database.transaction() as session:
        build = (await ImageReading(session).view(image["id"])).build
    assert build.project_id == project_id


async def test_everything_that_an_order_may_say_is_taken(server: RunningApi) -> None:
    image = await server.order(
        "registry.example.com:5000/team/app",
        dockerfile_path="service/Dockerfile.prod",
        context=".",
        build_args={"GREETING": "hi; $(reboot)"},
        target="runtime",
        secrets=None,
        force_rebuild=False,
        priority=1,
        third_party_id="customer 7",
        parser_id=None,
        project_id=None,
        something_new={"is": "ignored"},
    )
    assert image["name"] == "registry.example.com:5000/team/app"
    assert image["build_name"].startswith("build-customer-7-")


async def test_a_full_queue_says_when_to_come_back(database_url: str, tmp_path: Path) -> None:
    async with running_api(database_url, tmp_path, queue_limit=2) as server:
        for number in range(2):
            await server.order(f"hello-{number}")
        answer = await server.http.post("/api/v1/images", json=order_of("hello-2"))
        assert answer.status_code == 503
        assert answer.json()["code"] == "queue_full"
        assert int(answer.headers["retry-after"]) >= 1


async def test_deleting_removes_the_record_and_closes_what_waits_for_resume(
    server: RunningApi, builder: ReportingBuilder, database: Database
) -> None:
    image = await failed(server, builder)
    server.runs.pokes.clear()
    answer = await server.http.delete(f"/api/v1/images/{image['id']}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert (await server.http.get(f"/api/v1/images/{image['id']}")).status_code == 404
    assert (await server.http.delete(f"/api/v1/images/{image['id']}")).status_code == 404

    async def poked() -> set[str]:
        await delivery_by(database, server.runs).deliver_some()
        return {str(build_of(poke)) for poke in server.runs.pokes}

    assert await eventually(poked) == {image["build_id"]}
    async with database.transaction() as session:
        events = await EventRepository(session).of_build(image["build_id"])
    assert events[-1].type == "build.closed"
    again = await server.order()
    assert again["workflow_id"].endswith("/2"), "a name's generations go on after a delete"


async def test_an_image_that_is_being_built_cannot_be_deleted(server: RunningApi, builder: ReportingBuilder) -> None:
    image, _ = await begun(server, builder)
    answer = await server.http.delete(f"/api/v1/images/{image['id']}")
    assert answer.status_code == 409
    assert "building" in answer.json()["detail"]
    assert _members(answer.json()) == {
        "image_id": image["id"],
        "build_id": image["build_id"],
        "build_status": "building",
    }
    assert answer.headers["location"] == f"/api/v1/images/{image['id']}"


async def test_an_image_that_a_product_uses_cannot_be_deleted_and_names_the_product(
    server: RunningApi, builder: ReportingBuilder, database: Database
) -> None:
    image = await succeeded(server, builder)
    async with database.transaction() as session:
        session.add(Product(name="The shop", slug="shop", port=8100, replicas=1, image_id=image["id"]))
    answer = await server.http.delete(f"/api/v1/images/{image['id']}")
    assert (answer.status_code, answer.json()["code"]) == (409, "image_in_use")
    members = _members(answer.json())
    assert members.pop("product_id") >= 1
    assert members == {
        "image_id": image["id"],
        "build_id": image["build_id"],
        "build_status": "success",
        "product_slug": "shop",
    }
    assert answer.headers["location"] == f"/api/v1/images/{image['id']}"


async def test_a_refusal_with_nothing_in_the_way_names_nothing(bystander: RunningApi) -> None:
    for answer in (await bystander.http.get("/api/v1/images/1"), await bystander.http.post("/api/v1/images", json={})):
        assert "location" not in answer.headers
        assert _members(answer.json()) == {}


def _members(problem: dict[str, Any]) -> dict[str, Any]:
    """Return what a problem says beyond RFC 9457's own members and ours of every refusal."""
    ordinary = {"type", "title", "status", "detail", "code", "correlation_id", "errors"}
    return {name: value for name, value in problem.items() if name not in ordinary}
