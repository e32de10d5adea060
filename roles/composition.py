"""What the roles of one worker share, and how it is made."""

import asyncio
import logging
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta

from temporalio.client import Client

from activities.adapters.github.rest import GitHub
from activities.adapters.object_store.opening import open_store
from activities.adapters.temporal import connect
from activities.outages import Outages, StoredOutages
from activities.ports.object_store import ObjectStore
from activities.ports.source_host import SourceHost
from activities.source.tree import ArchiveLimits
from activities.work_area import WorkArea
from models.postgres.database import wait_until_migrated
from models.postgres.hints import Hints
from models.repositories.builder import BuilderRepository
from models.rules.redaction import Redaction
from process.database_secrets import database_secrets
from roles.pools import Pools, open_pools
from settings import Settings

log = logging.getLogger(__name__)

_PATIENCE = timedelta(seconds=60)


@dataclass(frozen=True)
class WorkerWorld:
    """What the roles of one worker share."""

    settings: Settings
    pools: Pools
    hints: Hints
    client: Client
    source_host: SourceHost
    store: ObjectStore
    area: WorkArea
    instance: str
    outages: Outages
    redaction: Redaction


async def compose(settings: Settings, database_url: str, stack: AsyncExitStack) -> WorkerWorld:
    hints = Hints(database_url)
    pools = await open_pools(database_url, hints, stack)
    await wait_until_migrated(pools.stages, patience=_PATIENCE)
    await stack.enter_async_context(hints)
    async with pools.stages.transaction() as session:
        instance = str(await BuilderRepository(session).instance())
    token = settings.github_token.get_secret_value() if settings.github_token is not None else None
    source_host = GitHub(settings.github_api_url, token, settings.github_timeout)
    stack.push_async_callback(source_host.aclose)
    store = await open_store(settings.object_store, settings.store_options(), settings.data_dir / "objects")
    area = stack.enter_context(WorkArea(settings.data_dir / "work"))
    redaction = Redaction((*settings.secrets(), *database_secrets(database_url)))
    client = await _connect_patiently(redaction)
    outages = StoredOutages(pools.stages, hints, patience=settings.outage_patience)
    return WorkerWorld(settings, pools, hints, client, source_host, store, area, instance, outages, redaction)


async def _connect_patiently(redaction: Redaction) -> Client:
    while True:
        try:
            return await connect(lazy=False, redaction=redaction)
        except RuntimeError as error:  # what the SDK raises when nobody answers
            log.warning("temporal_unreachable", extra={"error": str(error)[:200], "retry_in_seconds": 1})
            await asyncio.sleep(1)


def archive_limits(settings: Settings) -> ArchiveLimits:
    return ArchiveLimits(max_entries=settings.source_max_entries, max_unpacked_bytes=settings.source_max_unpacked_bytes)
