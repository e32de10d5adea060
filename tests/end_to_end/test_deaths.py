"""Any process may be killed at any moment: the build ends in success by itself, and nothing is doubled."""

import asyncio
import subprocess
from collections import Counter
from typing import Any

import pytest

from tests.support.servers.product import Product

_SLOW = "RUN for i in 1 2 3 4 5 6; do echo tick-{name}-$i; sleep 1; done\n"


async def _check_nothing_is_doubled(product: Product, row: dict[str, Any], *, built_again: bool) -> None:
    """Finished states ran once, state 40 as often as expected; one image, one tag, one row, whole logs."""
    assert row["build_status"] == "success", row["build_error"]
    states = await product.rows(
        "SELECT state_code, status FROM build_states WHERE build_id = $1::uuid", row["build_id"]
    )
    entered = Counter(state["state_code"] for state in states)
    assert {code: entered[code] for code in (0, 10, 20, 60, 80, 90, 100)} == dict.fromkeys(
        (0, 10, 20, 60, 80, 90, 100), 1
    )
    executions = await product.rows(
        "SELECT outcome FROM build_executions WHERE build_id = $1::uuid ORDER BY attempt", row["build_id"]
    )
    assert [execution["outcome"] for execution in executions] == (["lost"] if built_again else []) + ["succeeded"]
    assert entered[40] == len(executions)
    assert len(await product.rows("SELECT 1 FROM docker_images WHERE build_id = $1::uuid", row["build_id"])) == 1
    assert (await product.rows("SELECT count(*) AS n FROM dirty_keys"))[0]["n"] == 0
    log = (await product.api.get(f"/api/v1/images/{row['id']}/log")).text
    lines = [line for line in log.splitlines() if line.startswith("tick-")]
    assert lines == sorted(set(lines))
    await product.until(lambda: _is_clean(product, row))


async def _is_clean(product: Product, row: dict[str, Any]) -> bool:
    tags = await asyncio.to_thread(product.image_tags, label=f"slipway.build={row['build_id']}")
    if tags != [f"{row['name']}:{row['tag']}"]:  # an attempt's own name goes after the success
        return False
    return product.temporary_files() == [] and not await asyncio.to_thread(_sleeping_steps)


def _sleeping_steps() -> list[str]:
    """Return the commands of build steps that still run at the engine."""
    found = subprocess.run(("ps", "-eo", "args"), capture_output=True, text=True, check=True, timeout=10).stdout
    return [line for line in found.splitlines() if "tick-" in line and "for i in" in line]


async def test_worker_killed_in_mid_build(product: Product) -> None:
    commit = product.repository("worker-build", {"Dockerfile": product.base + _SLOW.format(name="wb")})
    row = await product.order("worker-build", commit)
    await product.until_log_has(row["id"], "tick-wb-2")
    await product.kill("worker")
    await product.start("worker")
    await _check_nothing_is_doubled(product, await product.settled(row["id"]), built_again=True)


async def test_worker_killed_in_mid_download(product: Product) -> None:
    commit = product.repository(
        "worker-download", {"Dockerfile": product.base + _SLOW.format(name="wd"), "big": b"b" * 100_000}
    )
    await product.fault(route="codeload", repo="e2e/worker-download", stall_after_bytes=20, times=1)
    row = await product.order("worker-download", commit)

    async def is_downloading() -> bool:
        return bool(product.temporary_files())

    await product.until(is_downloading)
    await product.kill("worker")
    await product.clear_faults()
    await product.start("worker")
    await _check_nothing_is_doubled(product, await product.settled(row["id"]), built_again=False)


@pytest.mark.parametrize(
    ("name", "moment"),
    [
        ("in-mid-report", "NEW.current_state = 60 AND OLD.current_state < 60"),
        ("in-mid-register", "NEW.status = 'succeeded' AND OLD.status <> 'succeeded'"),
    ],
)
async def test_worker_killed_within_a_transaction(product: Product, name: str, moment: str) -> None:
    commit = product.repository(name, {"Dockerfile": product.base + f"RUN echo tick-{name}-1\n"})
    async with product.holding_builds(f"{moment} AND NEW.image_name = '{product.prefix}/{name}'") as is_held:
        row = await product.order(name, commit)
        await product.until(is_held)
        await product.kill("worker")
    await product.start("worker")
    await _check_nothing_is_doubled(product, await product.settled(row["id"]), built_again=False)


async def test_api_killed_right_after_a_posts_commit(product: Product) -> None:
    commit = product.repository("api-post", {"Dockerfile": product.base + _SLOW.format(name="ap")})
    body = {"repo": "e2e/api-post", "tag": "v1", "commit_sha": commit, "image_name": f"{product.prefix}/api-post"}
    posting = asyncio.create_task(product.api.post("/api/v1/images", json=body))

    async def committed() -> list[Any]:
        return await product.rows("SELECT id FROM docker_images WHERE name_key = $1", f"{product.prefix}/api-post")

    found = await product.until(committed)
    await product.kill("api")
    await asyncio.gather(posting, return_exceptions=True)
    await product.start("api")
    await _check_nothing_is_doubled(product, await product.settled(found[0]["id"]), built_again=False)


async def test_temporal_killed_in_mid_build(product: Product) -> None:
    commit = product.repository("temporal-build", {"Dockerfile": product.base + _SLOW.format(name="tb")})
    row = await product.order("temporal-build", commit)
    await product.until_log_has(row["id"], "tick-tb-2")
    await product.kill("temporal")
    await product.until_log_has(row["id"], "tick-tb-6")  # the engine's work goes on meanwhile
    await product.start("temporal")
    await _check_nothing_is_doubled(product, await product.settled(row["id"]), built_again=False)


async def test_postgres_killed_in_mid_build(product: Product) -> None:
    dockerfile = product.base + "RUN for i in 1 2 3 4 5 6 7 8 9; do echo tick-pb-$i; sleep 1; done\n"
    commit = product.repository("postgres-build", {"Dockerfile": dockerfile})
    row = await product.order("postgres-build", commit)
    await product.until_log_has(row["id"], "tick-pb-2")
    await product.kill("postgres")
    await asyncio.to_thread(_wait_for_step_of, "tick-pb", 4)
    await product.start("postgres")
    await _check_nothing_is_doubled(product, await product.settled(row["id"]), built_again=False)


def _wait_for_step_of(mark: str, seconds: int) -> None:
    """Let the step go on while its log cannot be stored, for a while that its lease outlasts."""
    found = subprocess.run(
        (
            "timeout",
            str(seconds),
            "sh",
            "-c",
            "while ps -eo args | grep -v grep | grep -q 'for i in.*'\"$1\"; do sleep 0.2; done",
            "sh",
            mark,
        ),
        check=False,
        timeout=30,
    )
    assert found.returncode == 124, "the step went on all the time"
