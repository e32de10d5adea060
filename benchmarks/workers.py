"""Temporal workers inside the bench, tuned as the product's."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from temporalio.client import Client
from temporalio.worker import Interceptor, Worker

from activities.adapters.temporal import connect
from benchmarks.measures.bare_workflow import QUEUE, BareWorkflow, look_at_clock

_CACHED_WORKFLOWS = 500
_ACTIVITIES_AT_ONCE = 64
_RECORDS_AT_ONCE = 12

Activities = Sequence[Callable[..., Any]]


@asynccontextmanager
async def working(
    client: Client,
    activities: Mapping[str, Activities],
    workflows: Mapping[str, Sequence[type]],
    *interceptors: Interceptor,
) -> AsyncIterator[None]:
    """Run a worker for each task queue that is named, until the block ends."""
    async with AsyncExitStack() as running:
        for queue in activities.keys() | workflows.keys():
            worker = Worker(
                client,
                task_queue=queue,
                activities=activities.get(queue, ()),
                workflows=workflows.get(queue, ()),
                interceptors=interceptors,
                max_concurrent_activities=_ACTIVITIES_AT_ONCE,
                max_concurrent_local_activities=_RECORDS_AT_ONCE,
                max_cached_workflows=_CACHED_WORKFLOWS,
            )
            await running.enter_async_context(worker)
        yield


@asynccontextmanager
async def bare_worker(address: str) -> AsyncIterator[Client]:
    """Run a worker of the bare workflow; yield a client to start it with."""
    client = await connect(lazy=False, address=address)
    async with working(client, {QUEUE: [look_at_clock]}, {QUEUE: [BareWorkflow]}):
        yield client
