"""Delivery: what a dirty build's row wants is told to Temporal. Run by the API after its commit, and by the relay.

Order, repeats and several deliverers at once cannot matter: a poke says only "look", a cancel only "end".
"""

import asyncio
import logging
from datetime import timedelta
from uuid import UUID

from activities.ports.runs import BuildRuns, RunAddress
from models.postgres.database import Database
from models.repositories.delivery import DeliverableBuild, DeliveryRepository, DirtyKey
from models.rules.errors.orchestrator import OrchestratorRefused
from models.rules.fairness import fairness_key
from models.rules.run_contract import image_workflow_id

log = logging.getLogger(__name__)

_RETRY_AFTER = timedelta(seconds=1)
_RETRY_REFUSED_AFTER = timedelta(minutes=1)
_BATCH = 50
_AT_ONCE = 8


async def deliver_build(build_id: UUID, database: Database, runs: BuildRuns) -> None:
    """Deliver one build if it is dirty and nobody else delivers it. Raises OrchestratorUnreachable."""
    async with database.transaction() as session:
        keys = await DeliveryRepository(session).claim(1, only=build_id)
    for key in keys:
        await _deliver(key, database, runs)


async def deliver_dirty(database: Database, runs: BuildRuns) -> int:
    """Deliver what waits; return how many keys were taken. Raises OrchestratorUnreachable after giving keys back."""
    async with database.transaction() as session:
        keys = await DeliveryRepository(session).claim(_BATCH)
    places = asyncio.Semaphore(_AT_ONCE)

    async def deliver(key: DirtyKey) -> None:
        async with places:
            await _deliver(key, database, runs)

    results = await asyncio.gather(*(deliver(key) for key in keys), return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return len(keys)


async def _deliver(key: DirtyKey, database: Database, runs: BuildRuns) -> None:
    async with database.transaction() as session:
        build = await DeliveryRepository(session).read(key.build_id)
    is_told, retry_after = False, _RETRY_AFTER
    try:
        is_told = build is None or await _tell(build, runs)
    except OrchestratorRefused as refusal:  # of this one build: the others go on
        log.error("delivery_refused", extra={"build": str(key.build_id), "why": refusal.detail})  # noqa: TRY400
        retry_after = _RETRY_REFUSED_AFTER
    finally:
        async with database.transaction() as session:
            delivery = DeliveryRepository(session)
            await (delivery.settle(key) if is_told else delivery.give_back(key, retry_after))
    if build is not None and is_told:
        log.info("build_delivered", extra={"build": str(key.build_id), "correlation_id": build.correlation_id})


async def _tell(build: DeliverableBuild, runs: BuildRuns) -> bool:
    """Tell Temporal what the row wants; False when there is more to tell in a moment."""
    run = RunAddress(
        build_id=build.build_id,
        generation=build.generation,
        workflow_id=image_workflow_id(build.image_name, build.image_tag, build.generation),
        kind=build.kind,
        image=f"{build.image_name}:{build.image_tag}",
        third_party_id=build.third_party_id,
        priority=build.priority,
        fairness_key=fairness_key(build.third_party_id, build.project_id, build.repo),
        correlation_id=build.correlation_id,
    )
    if build.is_cancel_wanted and await runs.cancel(run):
        return True
    await runs.poke(run)
    # a cancel without a run: the one that the poke started waits, and the next delivery cancels it
    return not build.is_cancel_wanted
