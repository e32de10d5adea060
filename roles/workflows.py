"""The role "workflows": builds and their records, and the fetching of sources."""

from temporalio.worker import Worker

from activities.build_records import BuildRecordActivities
from activities.source.fetching import DownloadLimits, SourceActivities
from activities.source.turns import SourceTurns
from models.rules.run_contract import Queue
from roles.composition import WorkerWorld, archive_limits
from roles.polling import polls
from roles.pools import RECORDS_TRIED_AGAIN_AT_ONCE
from roles.source_slots import SourceSlots


def workflow_workers(parts: WorkerWorld) -> list[Worker]:
    settings = parts.settings
    records = BuildRecordActivities(parts.pools.records, stays_open=settings.stays_open)
    turns = SourceTurns(parts.pools.stages, parts.hints)
    sources = SourceActivities(
        parts.pools.stages,
        parts.hints,
        parts.source_host,
        parts.store,
        parts.area,
        turns=turns,
        download=DownloadLimits(settings.source_max_bytes, settings.source_timeout),
        archive=archive_limits(settings),
    )
    return [
        polls(
            parts,
            Queue.BUILDS,
            [records.claim_build, records.report_state, records.record_wish],
            workflows=True,
            at_once=RECORDS_TRIED_AGAIN_AT_ONCE,
        ),
        polls(parts, Queue.SOURCE, [sources.fetch_source], at_once=SourceSlots(turns), asks_at_once=1),
    ]
