"""Names that are not ours, and the same order many times."""

import asyncio
from collections import Counter

import httpx

from tests.support.servers.product import Product

_QUICK = "FROM busybox:1.36\nRUN true\n"


async def test_a_hundred_identical_orders_make_one_build(product: Product) -> None:
    commit = product.repository("hundred", {"Dockerfile": _QUICK})
    body = {"repo": "e2e/hundred", "tag": "v1", "commit_sha": commit, "image_name": f"{product.prefix}/hundred"}
    answers = await asyncio.gather(*(product.api.post("/api/v1/images", json=body) for _ in range(100)))
    assert Counter(answer.status_code for answer in answers) == {httpx.codes.CREATED: 1, httpx.codes.CONFLICT: 99}
    await _check_one_build(product, f"{product.prefix}/hundred")


async def test_a_hundred_orders_under_one_key_get_one_answer(product: Product) -> None:
    commit = product.repository("keyed", {"Dockerfile": _QUICK})
    body = {"repo": "e2e/keyed", "tag": "v1", "commit_sha": commit, "image_name": f"{product.prefix}/keyed"}
    headers = {"Idempotency-Key": "one-of-a-hundred"}
    answers = await asyncio.gather(
        *(product.api.post("/api/v1/images", json=body, headers=headers) for _ in range(100))
    )
    assert {(answer.status_code, answer.content) for answer in answers} == {(httpx.codes.CREATED, answers[0].content)}
    await _check_one_build(product, f"{product.prefix}/keyed")


async def _check_one_build(product: Product, name: str) -> None:
    images = await product.rows("SELECT id FROM docker_images WHERE name_key = $1", name)
    assert len(images) == 1
    assert (await product.settled(images[0]["id"]))["build_status"] == "success"
    builds = await product.rows("SELECT id, epoch FROM builds WHERE image_name = $1", name)
    assert [build["epoch"] for build in builds] == [1], "one build, carried by one run"


async def test_an_image_of_somebody_else_is_never_overwritten(product: Product) -> None:
    commit = product.repository("foreign", {"Dockerfile": _QUICK}, tag="1.36")
    before = product.engine.images.get("busybox:1.36").id
    body = {"repo": "e2e/foreign", "tag": "1.36", "commit_sha": commit, "image_name": "docker.io/library/busybox"}
    row = (await product.api.post("/api/v1/images?wait=60", json=body)).json()
    assert row["build_status"] == "failed"
    assert "busybox:1.36" in row["build_error"]
    assert product.engine.images.get("busybox:1.36").id == before


async def test_a_name_that_somebody_takes_meanwhile_is_not_overwritten_either(product: Product) -> None:
    dockerfile = f"{product.base}RUN echo started; sleep 2\n"
    commit = product.repository("taken", {"Dockerfile": dockerfile})
    row = await product.order("taken", commit)
    await product.until_log_has(row["id"], "started")
    other = product.engine.images.get("busybox:1.36")
    other.tag(f"{product.prefix}/taken", "v1")
    row = await product.settled(row["id"])
    assert row["build_status"] == "failed"
    assert f"{product.prefix}/taken:v1" in row["build_error"]
    assert product.engine.images.get(f"{product.prefix}/taken:v1").id == other.id
