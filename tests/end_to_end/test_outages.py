"""What others' outages mean: commands are taken without Temporal, and nothing is lost without a word."""

import httpx

from tests.support.product import Product

_QUICK = "FROM busybox:1.36\nRUN true\n"


async def test_an_order_without_temporal_is_pending_and_builds_when_it_is_back(product: Product) -> None:
    commit = product.repository("no-temporal", {"Dockerfile": _QUICK})
    await product.kill("temporal")
    try:
        row = await product.order("no-temporal", commit)
        assert row["build_status"] == "pending"
        assert (await product.api.get("/ready")).status_code == httpx.codes.SERVICE_UNAVAILABLE
    finally:
        await product.start("temporal")
    assert (await product.settled(row["id"]))["build_status"] == "success"


async def test_an_order_without_postgres_is_a_503_that_says_when_to_come_again(product: Product) -> None:
    commit = product.repository("no-postgres", {"Dockerfile": _QUICK})
    body = {"repo": "e2e/no-postgres", "tag": "v1", "commit_sha": commit, "image_name": f"{product.prefix}/no-postgres"}
    await product.kill("postgres")
    try:
        answer = await product.api.post("/api/v1/images", json=body)
    finally:
        await product.start("postgres")
    assert answer.status_code == httpx.codes.SERVICE_UNAVAILABLE
    assert answer.headers["content-type"] == "application/problem+json"
    assert int(answer.headers["retry-after"]) > 0
    assert answer.json()["code"] == "database_unreachable"
    await product.until_ready()
    row = await product.order("no-postgres", commit)
    assert (await product.settled(row["id"]))["build_status"] == "success"


async def test_a_github_that_answers_500_is_asked_again_and_then_named(product: Product) -> None:
    commit = product.repository("five-hundred", {"Dockerfile": _QUICK})
    await product.fault(route="ref", repo="e2e/five-hundred", status=503)
    try:
        row = await product.settled((await product.order("five-hundred", commit))["id"])
    finally:
        await product.clear_faults()
    assert row["build_status"] == "failed"
    assert "GitHub" in row["build_error"]
    assert "503" in row["build_error"]
    asked = (await product.sandbox.get("/_sandbox/requests")).json()["requests"]
    assert sum("five-hundred/git/ref" in request["path"] for request in asked) > 2


async def test_a_broken_download_is_tried_again(product: Product) -> None:
    commit = product.repository("cut-off-once", {"Dockerfile": _QUICK, "big": b"b" * 100_000})
    await product.fault(route="codeload", repo="e2e/cut-off-once", cut_off_after_bytes=100, times=1)
    row = await product.settled((await product.order("cut-off-once", commit))["id"])
    assert row["build_status"] == "success", row["build_error"]


async def test_a_stalled_download_is_tried_again_and_then_named(product: Product) -> None:
    commit = product.repository("stalls", {"Dockerfile": _QUICK, "big": b"b" * 100_000})
    await product.fault(route="codeload", repo="e2e/stalls", stall_after_bytes=50)
    try:
        row = await product.settled((await product.order("stalls", commit))["id"], seconds=180)
    finally:
        await product.clear_faults()
    assert row["build_status"] == "failed"
    assert "GitHub" in row["build_error"]
    assert product.temporary_files() == []
