"""The composition root of a worker: `python -m worker`. Roles: workflows, builder, relay, or all of them."""

import asyncio
import logging
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pydantic import ValidationError
from temporalio.client import Client
from temporalio.worker import Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from activities.adapters.docker.engine import DockerEngine
from activities.adapters.github.rest import GitHub
from activities.adapters.object_store.local import LocalStore
from activities.adapters.temporal import TemporalRuns, connect
from activities.build_records import BuildRecordActivities
from activities.builder.host import Builder
from activities.builder.identity import BuilderIdentity, light_queue
from activities.error_border import ErrorBorder
from activities.image.building import ImageActivities
from activities.ports import SourceHost
from activities.relay.ended_runs import EndedRuns
from activities.relay.relay import Relay
from activities.source.fetching import DownloadLimits, SourceActivities, TagActivities
from activities.source.tree import ArchiveLimits
from activities.work_area import WorkArea
from models.postgres.database import Database, wait_until_migrated
from models.postgres.hints import Hints
from models.repositories.builder import BuilderRepository
from models.rules.errors.database import DatabaseUnreachable
from models.rules.errors.domain import DomainError
from process.ending import end_process
from process.log_lines import configure
from process.memory import settle_objects
from settings import Settings, complaints
from workflows.image_build import ImageBuild
from workflows.stage import BUILDS_QUEUE, DOCKER_QUEUE, ENGINE_QUEUE, SOURCE_QUEUE

log = logging.getLogger(__name__)

_PATIENCE = timedelta(seconds=60)
_POOL_SIZE = 12
_BEATS = timedelta(seconds=1)  # how often heartbeats, and the cancels they bring back, travel
_CACHED_WORKFLOWS = 500
_LIGHT_ACTIVITIES = 64
_SPARE_PLACES = 100  # beyond the queue: a build that waits for its turn must never lack a place to fetch in

Activities = Sequence[Callable[..., Any]]


@dataclass(frozen=True)
class Parts:
    """What the roles of one worker share."""

    settings: Settings
    database: Database
    hints: Hints
    client: Client
    source_host: SourceHost
    store: LocalStore
    area: WorkArea
    instance: str


async def main(settings: Settings) -> int:
    """Work until SIGTERM or SIGINT; return the exit code."""
    if settings.database_url is None:
        print("worker: DATABASE_URL is not set; `make up` starts a worker that has one", file=sys.stderr)  # noqa: T201
        return 1
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
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
    return await _roles(await _compose(settings, database_url, stack), stack)


async def _compose(settings: Settings, database_url: str, stack: AsyncExitStack) -> Parts:
    database = Database(database_url, pool_size=_POOL_SIZE)
    stack.push_async_callback(database.close)
    await wait_until_migrated(database, patience=_PATIENCE)
    hints = await stack.enter_async_context(Hints(database_url))
    async with database.transaction() as session:
        instance = str(await BuilderRepository(session).instance())
    token = settings.github_token.get_secret_value() if settings.github_token is not None else None
    source_host = GitHub(settings.github_api_url, token, settings.github_timeout)
    stack.push_async_callback(source_host.aclose)
    store = LocalStore(settings.data_dir / "objects")
    await store.sweep()
    area = stack.enter_context(WorkArea(settings.data_dir / "work"))
    client = await _connect_patiently()
    return Parts(settings, database, hints, client, source_host, store, area, instance)


async def _connect_patiently() -> Client:
    while True:
        try:
            return await connect(lazy=False)
        except RuntimeError as error:  # what the SDK raises when nobody answers
            log.warning("temporal_unreachable", extra={"error": str(error)[:200], "retry_in_seconds": 1})
            await asyncio.sleep(1)


async def _roles(parts: Parts, stack: AsyncExitStack) -> tuple[list[Worker], list[asyncio.Task[None]]]:
    """Make what the wanted roles run: Temporal workers and tasks of our own."""
    roles = parts.settings.roles
    workers: list[Worker] = []
    tasks: list[asyncio.Task[None]] = []
    if "all" in roles or "workflows" in roles:
        workers += workflow_workers(parts)
    if "all" in roles or "builder" in roles:
        workers += await _builder_workers(parts, stack)
    if "all" in roles or "relay" in roles:
        runs = TemporalRuns(parts.client, stays_open=parts.settings.stays_open)
        repairs = EndedRuns(parts.database, parts.hints, runs, stays_open=parts.settings.stays_open)
        relay = Relay(parts.database, parts.hints, runs, repairs, log_retention=parts.settings.log_retention)
        tasks.append(asyncio.create_task(relay.run(), name="relay"))
    return workers, tasks


def workflow_workers(parts: Parts) -> list[Worker]:
    """Return what the role "workflows" runs: builds and their records, and the fetching of sources."""
    settings = parts.settings
    records = BuildRecordActivities(parts.database, parts.hints, stays_open=settings.stays_open)
    sources = SourceActivities(
        parts.database,
        parts.hints,
        parts.source_host,
        parts.store,
        parts.area,
        download=DownloadLimits(settings.source_max_bytes, settings.source_timeout),
        archive=_archive_limits(settings),
    )
    return [
        _worker(parts, BUILDS_QUEUE, [records.claim_build, records.report_state, records.record_wish], workflows=True),
        _worker(parts, SOURCE_QUEUE, [sources.fetch_source], at_once=settings.queue_limit + _SPARE_PLACES),
    ]


async def _builder_workers(parts: Parts, stack: AsyncExitStack) -> list[Worker]:
    settings = parts.settings
    token = [settings.github_token.get_secret_value()] if settings.github_token is not None else []
    engine = DockerEngine(settings.engine_url, redacted_values=token)
    await stack.enter_async_context(parts.database.sole_holder(f"builder {settings.builder_name}"))
    identity = BuilderIdentity(settings.builder_name, settings.builder_slots, parts.instance, settings.build_timeout)
    builder = await stack.enter_async_context(
        Builder(
            identity,
            database=parts.database,
            hints=parts.hints,
            engine=engine,
            store=parts.store,
            area=parts.area,
            archive_limits=_archive_limits(settings),
        )
    )
    images = ImageActivities(parts.database, parts.hints, engine, builder)
    tags = TagActivities(parts.database, parts.source_host, engine, parts.instance)
    light: Activities = [tags.resolve_tag, images.inspect_image, images.push_image, images.register_image]
    return [
        _worker(parts, DOCKER_QUEUE, [images.build_image], at_once=settings.builder_slots),
        _worker(parts, ENGINE_QUEUE, light),
        _worker(parts, light_queue(settings.builder_name), light),
    ]


def _worker(
    parts: Parts, queue: str, activities: Activities, *, workflows: bool = False, at_once: int = _LIGHT_ACTIVITIES
) -> Worker:
    return Worker(
        parts.client,
        task_queue=queue,
        workflows=[ImageBuild] if workflows else [],
        activities=activities,
        interceptors=[ErrorBorder()],
        max_concurrent_activities=at_once,
        max_concurrent_local_activities=_POOL_SIZE,  # more records at once would only wait for a connection
        max_cached_workflows=_CACHED_WORKFLOWS,
        max_heartbeat_throttle_interval=_BEATS,
        default_heartbeat_throttle_interval=_BEATS,
        graceful_shutdown_timeout=parts.settings.drain_timeout,
        # else an unexpected exception leaves the workflow trying its task again for ever, deaf to cancel
        workflow_failure_exception_types=[Exception],
        workflow_runner=SandboxedWorkflowRunner(restrictions=SandboxRestrictions.default),
    )


def _archive_limits(settings: Settings) -> ArchiveLimits:
    return ArchiveLimits(max_entries=settings.source_max_entries, max_unpacked_bytes=settings.source_max_unpacked_bytes)


def _is_orderly(result: object) -> bool:
    if isinstance(result, Exception):
        log.error("worker_part_failed", exc_info=result)
        return False
    return True


def run() -> int:
    try:
        settings = Settings()
    except ValidationError as invalid:
        print(*complaints(invalid), sep="\n", file=sys.stderr)  # noqa: T201
        return 2
    configure(log_format=settings.log_format, log_level=settings.log_level, secrets=settings.secrets())
    try:
        return asyncio.run(main(settings))
    except (DatabaseUnreachable, DomainError) as error:
        log.error("worker_cannot_start", extra={"why": error.detail})  # noqa: TRY400 - the sentence says it all
        return 1


if __name__ == "__main__":
    end_process(run())
