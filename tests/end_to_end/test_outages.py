"""What others' outages mean: commands are taken without Temporal, and nothing is lost without a word."""

import asyncio
from dataclasses import dataclass
from typing import Any

import httpx

from tests.support.servers.product import Product

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


@dataclass(frozen=True)
class _Fault:
    """What GitHub does to every request for one repository, and what the build's error must then name."""

    name: str
    order: dict[str, Any]
    says: str


_FAULTS = (
    _Fault("five-hundred", {"route": "ref", "status": 503}, "503"),
    _Fault("stalls", {"route": "codeload", "stall_after_bytes": 50}, "fell silent"),
    _Fault("cut-off", {"route": "codeload", "cut_off_after_bytes": 100}, "broke off"),
)


async def test_a_github_that_fails_is_asked_again_and_then_named(product: Product) -> None:
    await asyncio.gather(*(_check_fault(product, fault) for fault in _FAULTS))
    await product.clear_faults()
    assert product.temporary_files() == []


async def _check_fault(product: Product, fault: _Fault) -> None:
    commit = product.repository(fault.name, {"Dockerfile": _QUICK, "big": b"b" * 100_000})
    await product.fault(repo=f"e2e/{fault.name}", **fault.order)
    row = await product.settled((await product.order(fault.name, commit))["id"], seconds=180)
    assert row["build_status"] == "failed"
    assert fault.says in row["build_error"]
    assert "waited for" in row["build_error"]
    asked = (await product.sandbox.get("/_sandbox/requests")).json()["requests"]
    wanted = "git/ref" if fault.order["route"] == "ref" else "codeload"
    assert sum(fault.name in request["path"] and wanted in request["path"] for request in asked) > 2


async def test_a_download_that_breaks_off_once_is_tried_again(product: Product) -> None:
    commit = product.repository("cut-off-once", {"Dockerfile": _QUICK, "big": b"b" * 100_000})
    await product.fault(route="codeload", repo="e2e/cut-off-once", cut_off_after_bytes=100, times=1)
    row = await product.settled((await product.order("cut-off-once", commit))["id"])
    assert row["build_status"] == "success", row["build_error"]
