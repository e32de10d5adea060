"""Operators work on builds from Temporal's side, and the API shows the outcome."""

import asyncio
import subprocess
from typing import Any

from temporalio.client import WorkflowHandle

from activities.adapters.temporal import connect
from tests.support.operators import delete_workflow, reset_workflow
from tests.support.servers.product import Product

_LONG = "RUN echo long-began && sleep {seconds}\n"
_QUICK = "FROM busybox:1.36\nRUN true\n"


async def _run_of(product: Product, row: dict[str, Any]) -> WorkflowHandle[Any, Any]:
    client = await connect(lazy=False, address=product.temporal_address)
    return client.get_workflow_handle(row["workflow_id"])


def _is_running(command: str) -> bool:
    found = subprocess.run(("ps", "-eo", "args"), capture_output=True, text=True, check=True, timeout=10).stdout
    return any(line.strip() == command for line in found.splitlines())


async def _begun(product: Product, name: str, seconds: int) -> dict[str, Any]:
    commit = product.repository(name, {"Dockerfile": product.base + _LONG.format(seconds=seconds)})
    row = await product.order(name, commit)
    await product.until_log_has(row["id"], "long-began\n")
    assert await asyncio.to_thread(_is_running, f"sleep {seconds}")
    return row


async def _check_cancelled(product: Product, row: dict[str, Any], seconds: int) -> None:
    row = await product.settled(row["id"])
    assert row["build_status"] == "failed"
    assert row["build_error"].startswith("Build cancelled")
    assert not await asyncio.to_thread(_is_running, f"sleep {seconds}"), "the work is dead when the row says so"
    builds = await product.rows("SELECT status FROM builds WHERE id = $1::uuid", row["build_id"])
    assert builds[0]["status"] == "cancelled"
    executions = await product.rows("SELECT outcome FROM build_executions WHERE build_id = $1::uuid", row["build_id"])
    assert [execution["outcome"] for execution in executions] == ["cancelled"]
    assert product.temporary_files() == []


async def test_a_native_cancel_ends_the_work(product: Product) -> None:
    row = await _begun(product, "cancel-native", 301)
    await (await _run_of(product, row)).cancel()
    await _check_cancelled(product, row, 301)


async def test_the_signal_cancel_does_the_same(product: Product) -> None:
    row = await _begun(product, "cancel-signal", 302)
    await (await _run_of(product, row)).signal("cancel")
    await _check_cancelled(product, row, 302)


async def test_a_failed_build_goes_on_from_its_state_when_it_is_resumed(product: Product) -> None:
    commit = product.repository("resumed", {"Dockerfile": _QUICK})
    await product.fault(route="codeload", repo="e2e/resumed", status=404)
    try:
        failed = await product.settled((await product.order("resumed", commit))["id"])
    finally:
        await product.clear_faults()
    assert failed["build_status"] == "failed"
    await (await _run_of(product, failed)).signal("resume")

    async def succeeded() -> bool:
        return bool((await product.image(failed["id"]))["build_status"] == "success")

    await product.until(succeeded)
    states = await product.rows(
        "SELECT state_code, attempt, status FROM build_states WHERE build_id = $1::uuid AND state_code <= 20"
        " ORDER BY state_code, attempt",
        failed["build_id"],
    )
    assert [tuple(state) for state in states] == [
        (0, 1, "completed"),
        (10, 1, "completed"),
        (20, 1, "failed"),
        (20, 2, "completed"),
    ]


async def test_a_terminated_workflow_is_noticed_and_its_work_ends(product: Product) -> None:
    row = await _begun(product, "terminated", 303)
    await (await _run_of(product, row)).terminate("an operator wants it gone")
    row = await product.settled(row["id"])
    assert row["build_status"] == "failed"
    assert "terminated in Temporal" in row["build_error"]

    async def is_dead() -> bool:
        return not await asyncio.to_thread(_is_running, "sleep 303")

    await product.until(is_dead)


async def test_a_deleted_or_reset_workflow_costs_its_build_no_work(product: Product) -> None:
    deleted = await _begun(product, "deleted", 6)
    reset = await _begun(product, "reset", 7)
    client = await connect(lazy=False, address=product.temporal_address)
    await delete_workflow(client, deleted["workflow_id"])
    await reset_workflow(client, reset["workflow_id"], 1.0)
    for row in (deleted, reset):
        settled = await product.settled(row["id"])
        assert settled["build_status"] == "success", settled["build_error"]
        ended = await product.rows("SELECT outcome FROM build_executions WHERE build_id = $1::uuid", row["build_id"])
        assert [execution["outcome"] for execution in ended] == ["succeeded"]


async def test_a_build_can_be_listed_and_queried(product: Product) -> None:
    commit = product.repository("queried", {"Dockerfile": "FROM busybox:1.36\nRUN exit 1\n"})
    row = await product.settled((await product.order("queried", commit))["id"])
    client = await connect(lazy=False, address=product.temporal_address)

    async def is_listed() -> bool:
        query = f"BuildStatus = 'failed' AND BuildId = '{row['build_id']}' AND ExecutionStatus = 'Running'"
        return [found.id async for found in client.list_workflows(query)] == [row["workflow_id"]]

    await product.until(is_listed)
    handle = await _run_of(product, row)
    status: dict[str, Any] = await handle.query("status")
    assert status["parked"] is True
