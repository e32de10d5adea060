"""A worker's process: starts the wanted roles, waits for a signal, ends in order."""

import asyncio
import logging
import signal
import sys
from contextlib import AsyncExitStack

from temporalio.worker import Worker

from process.memory import settle_objects
from process.watchdog import Watchdog
from roles.builder import builder_workers
from roles.composition import WorkerWorld, compose
from roles.relay import relay
from roles.workflows import workflow_workers
from settings import Settings

log = logging.getLogger(__name__)


async def main(settings: Settings, watcher: str | None = None) -> int:
    """Work until SIGTERM or SIGINT; return the exit code. `watcher` is the address of one who wants to hear of us."""
    if settings.database_url is None:
        print("worker: DATABASE_URL is not set; `make up` starts a worker that has one", file=sys.stderr)  # noqa: T201
        return 1
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with Watchdog(watcher), AsyncExitStack() as stack:
        starting = asyncio.create_task(_start(settings, settings.database_url.get_secret_value(), stack))
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait([starting, stopping], return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():  # what it waits for may stay away; nothing runs yet
            starting.cancel()
            await asyncio.wait([starting])
            return 0
        workers, tasks = starting.result()
        running = [asyncio.create_task(worker.run()) for worker in workers] + tasks
        settle_objects()
        log.info("worker_started", extra={"roles": settings.roles, "builder": settings.builder_name})
        await asyncio.wait([*running, stopping], return_when=asyncio.FIRST_COMPLETED)
        log.info("worker_stopping", extra={"drain_seconds": settings.drain_timeout.total_seconds()})
        await asyncio.gather(*(worker.shutdown() for worker in workers))
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*running, return_exceptions=True)
    return 0 if all(_is_orderly(result) for result in results) else 1


async def _start(
    settings: Settings, database_url: str, stack: AsyncExitStack
) -> tuple[list[Worker], list[asyncio.Task[None]]]:
    return await _roles(await compose(settings, database_url, stack), stack)


async def _roles(parts: WorkerWorld, stack: AsyncExitStack) -> tuple[list[Worker], list[asyncio.Task[None]]]:
    """Make what the wanted roles run: Temporal workers and tasks of our own."""
    roles = parts.settings.roles
    workers: list[Worker] = []
    tasks: list[asyncio.Task[None]] = []
    if "all" in roles or "workflows" in roles:
        workers += workflow_workers(parts)
    if "all" in roles or "builder" in roles:
        workers += await builder_workers(parts, stack)
    if "all" in roles or "relay" in roles:
        tasks.append(asyncio.create_task(relay(parts).run(), name="relay"))
    return workers, tasks


def _is_orderly(result: object) -> bool:
    if isinstance(result, Exception):
        log.error("worker_part_failed", exc_info=result)
        return False
    return True
