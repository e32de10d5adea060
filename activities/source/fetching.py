"""Fetching a source and keeping it."""

import asyncio
import logging
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

from temporalio import activity

from activities.beats import beating
from activities.disk import writing_below
from activities.folders import remove_tree
from activities.ports.object_store import ObjectStore
from activities.ports.source_host import SourceHost
from activities.source.archive import inspect_archive, measure
from activities.source.tree import ArchiveLimits
from activities.source.turns import Download, SourceTurns
from activities.source.wanted import Wanted, wanted_for
from activities.stoppable import run_stoppable
from activities.waiting import WaitNote
from activities.work_area import WorkArea
from models.postgres.database import Database
from models.postgres.hints import Hints
from models.repositories.build.reading import BuildReading
from models.rules.build_lifecycle import StateCode
from models.rules.build_payloads import ArtifactReport, Checkpoint, StageOutcome
from models.rules.errors.source import SourceHostUnreachable, SourceRefused

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class DownloadLimits:
    largest_bytes: int
    longest: timedelta


class SourceActivities:
    def __init__(
        self,
        database: Database,
        hints: Hints,
        host: SourceHost,
        store: ObjectStore,
        area: WorkArea,
        *,
        turns: SourceTurns,
        download: DownloadLimits,
        archive: ArchiveLimits,
    ) -> None:
        self._database = database
        self._hints = hints
        self._host = host
        self._store = store
        self._area = area
        self._turns = turns
        self._download = download
        self._archive = archive

    @activity.defn
    async def fetch_source(self, build: Checkpoint) -> StageOutcome:
        """Download the tarball of the resolved commit, judge it and keep it. A repeat downloads it once more."""
        note = WaitNote(self._database, self._hints, build, may_be_told=activity.info().attempt > 1)
        # By the clock, not by chunk: a stalled download ends by the adapter's own timeout, which can name the cause.
        async with beating(), self._turns.taken(build, note) as download:
            with writing_below(self._area.path):
                return await self._fetch(build, download)

    async def _fetch(self, build: Checkpoint, download: Download) -> StageOutcome:
        repo, commit = build.repo, build.variables["commit_sha"]
        folder = await asyncio.to_thread(self._area.folder, f"fetch-{build.build_id}-{activity.info().attempt}")
        path = folder / "source.tar.gz"
        try:
            try:
                async with asyncio.timeout(self._download.longest.total_seconds()):
                    await self._stream(repo, commit, path, download)
            except TimeoutError as error:
                raise SourceHostUnreachable(
                    f"The source of {repo} did not arrive within {self._download.longest.total_seconds():.0f} seconds."
                ) from error
            summary = await run_stoppable(
                partial(inspect_archive, path, self._archive, wanted=await self._wanted(build))
            )
            size_bytes, sha256 = await asyncio.to_thread(measure, path)
            # by its bytes: GitHub may pack a commit anew, and a build that waits to be resumed needs those it saw
            key = f"source/{repo}/{commit}/{sha256}.tar.gz"
            await self._store.put_file(key, path)
        finally:
            await asyncio.to_thread(_remove, path)
        log.info("source_fetched", extra={"key": key, "entries": summary.entries, "bytes": summary.unpacked_bytes})
        archive = ArtifactReport(
            state_code=StateCode.FETCH_SOURCE,
            name="source_archive",
            type="source_archive",
            path=key,
            storage_backend=self._store.backend,
            size_bytes=size_bytes,
            checksum=sha256,
        )
        return StageOutcome(
            message=f"{size_bytes} bytes", artifacts=(archive,), variables={"source_key": key, "source_sha256": sha256}
        )

    async def _wanted(self, build: Checkpoint) -> Wanted:
        async with self._database.transaction() as session:
            inputs = await BuildReading(session).inputs(build.build_id)
        return wanted_for(inputs.dockerfile_path, inputs.context)

    async def _stream(self, repo: str, commit: str, path: Path, download: Download) -> None:
        size_bytes = 0
        async with self._host.tarball(repo, commit) as chunks:
            with path.open("wb") as file:  # a local write of some KiB does not hold the loop up
                async for chunk in chunks:
                    await download.came(len(chunk))
                    size_bytes += len(chunk)
                    if size_bytes > self._download.largest_bytes:
                        raise SourceRefused(
                            f"The source of {repo} is larger than {self._download.largest_bytes} bytes compressed;"
                            " raise SLIPWAY_SOURCE_MAX_BYTES if that is right."
                        )
                    file.write(chunk)
        await download.is_whole()


def _remove(path: Path) -> None:
    remove_tree(path.parent)
