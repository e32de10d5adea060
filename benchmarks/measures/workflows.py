"""Builds that do nothing: our workflow with all its records in Postgres, beside bare ones with as many activities."""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

from temporalio import activity
from temporalio.client import Client

from activities.adapters.temporal import TemporalRuns
from activities.build_records import BuildRecordActivities
from activities.error_border import ErrorBorder
from activities.outages import StoredOutages
from activities.relay.delivery import Delivery
from activities.relay.kinds import deliverable_kinds
from benchmarks.measures.bare_workflow import QUEUE, BareRun, BareWorkflow
from benchmarks.measures.effort import Effort
from benchmarks.stack import BenchStack
from benchmarks.table import Goal, Raw, Row, Series
from benchmarks.workers import bare_worker, working
from models.postgres.database import Database
from models.postgres.hints import Hints
from models.repositories.image.orders import ImageOrders
from models.rules.build_payloads import Checkpoint, StageOutcome
from models.rules.image_order import ImageOrder
from models.rules.redaction import Redaction
from models.rules.run_contract import Queue, image_workflow_id
from workflows.image_build import STAGES, ImageBuild

_LEAST_SHARE = 0.5
_RECORDS = 1 + len(STAGES) + 1  # claim, a report for each stage, the last report: local activities
_BARE = (
    ("bare workflow of {} activities", BareRun(ordinary=len(STAGES) + _RECORDS)),
    ("bare workflow of {} activities, {} of them local", BareRun(ordinary=len(STAGES), local=_RECORDS)),
)
_DATABASE = "bench_workflows"
_POOL_SIZE = 12
_STAYS_OPEN = timedelta(days=1)
_STARTED_AT_ONCE = 8  # as delivery does
_NAME = "bench/noop"


@dataclass(frozen=True)
class _Records:
    """What builds need beside Temporal."""

    database: Database
    delivery: Delivery


async def measure(bench: BenchStack, effort: Effort) -> list[Row]:
    """The product's own worker and API stand still, so that both kinds have the machine to themselves."""
    mine, raw = list[float](), [list[float]() for _kind in _BARE]
    async with AsyncExitStack() as running:
        await running.enter_async_context(bench.without("worker", "api"))
        client = await running.enter_async_context(bare_worker(bench.temporal_address))
        records = await running.enter_async_context(_builds_worker(bench, client))
        for number in range(effort.noop_rounds + 1):
            order = f"r{number}"
            ours = await _build(records, client, order, effort.noop_builds)
            bare = [await _run_bare(client, wanted, effort.noop_builds) for _name, wanted in _BARE]
            if number:  # the first round warms up
                mine.append(ours)
                for rates, rate in zip(raw, bare, strict=True):
                    rates.append(rate)
    return [_row(effort, mine, rates, name, wanted) for (name, wanted), rates in zip(_BARE, raw, strict=True)]


def _row(effort: Effort, mine: list[float], raw: list[float], name: str, wanted: BareRun) -> Row:
    rates, bare_rates = Series("builds/s", mine), Series("builds/s", raw)
    share = rates.median / bare_rates.median
    goal = Goal("≥ 0.5 of bare", _LEAST_SHARE, share, "", is_at_least=True)
    bare = Raw(name.format(wanted.ordinary + wanted.local, wanted.local), bare_rates)
    return Row(f"no-op builds, {effort.noop_builds} at once", rates, bare, goal)


@asynccontextmanager
async def _builds_worker(bench: BenchStack, client: Client) -> AsyncIterator[_Records]:
    """Run workers for image builds whose stages do nothing, on a database of their own."""
    url = await bench.postgres.create_database(_DATABASE)
    database = Database(url, pool_size=_POOL_SIZE)
    async with AsyncExitStack() as running:
        running.push_async_callback(database.close)
        await database.migrate()
        hints = await running.enter_async_context(Hints(url))
        border = ErrorBorder(StoredOutages(database, hints, patience=_STAYS_OPEN), Redaction())
        records = BuildRecordActivities(database, stays_open=_STAYS_OPEN)
        activities: dict[str, list[Callable[..., Any]]] = defaultdict(list)
        activities[Queue.BUILDS] += [records.claim_build, records.report_state, records.record_wish]
        for stage in STAGES:
            activities[stage.queue].append(_stage_that_does_nothing(stage.activity))
        await running.enter_async_context(working(client, activities, {Queue.BUILDS: [ImageBuild]}, border))
        kinds = deliverable_kinds(stays_open=_STAYS_OPEN)
        yield _Records(database, Delivery(database, TemporalRuns(client), kinds))


def _stage_that_does_nothing(name: str) -> Callable[..., Any]:
    @activity.defn(name=name)
    async def stage(_build: Checkpoint) -> StageOutcome:
        return StageOutcome()

    return stage


async def _build(records: _Records, client: Client, round_name: str, count: int) -> float:
    """Order builds, then deliver them as the relay does; return how many ended a second."""
    tags = [f"{round_name}-{number}" for number in range(count)]
    for tag in tags:
        order = ImageOrder(repo=_NAME, tag=tag, commit_sha="0" * 40, image_name=_NAME)
        async with records.database.transaction() as session:
            await ImageOrders(session).order(order, queue_limit=count + 1, actor="bench", correlation_id="")
    began = time.perf_counter()
    while await records.delivery.deliver_some():
        pass
    await asyncio.gather(*(client.get_workflow_handle(image_workflow_id(_NAME, tag, 1)).result() for tag in tags))
    return count / (time.perf_counter() - began)


async def _run_bare(client: Client, wanted: BareRun, count: int) -> float:
    places = asyncio.Semaphore(_STARTED_AT_ONCE)

    async def start() -> Any:  # noqa: ANN401 - the handle's type has six parameters
        async with places:
            return await client.start_workflow(BareWorkflow.run, wanted, id=f"bench-bare/{uuid4()}", task_queue=QUEUE)

    began = time.perf_counter()
    handles = await asyncio.gather(*(start() for _ in range(count)))
    await asyncio.gather(*(handle.result() for handle in handles))
    return count / (time.perf_counter() - began)
