"""Real builder hosts over a real Postgres, each with an engine in memory and the store that all of them share."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from temporalio.testing import ActivityEnvironment

from activities.adapters.object_store.local import LocalStore
from activities.builder.host import BuilderHost
from activities.builder.identity import BuilderIdentity
from activities.image.building import ImageActivities
from activities.ports.object_store import ObjectStore
from activities.source.tree import ArchiveLimits
from activities.work_area import WorkArea
from models.postgres.database import Database
from models.postgres.hints import Hints
from models.rules.build_payloads import Checkpoint, StageOutcome
from models.rules.redaction import Redaction
from tests.support.builds.stored_builds import StoredBuilds, checkpoint
from tests.support.engine.hostile_archives import TOP, entry, write_tree
from tests.support.fakes.memory_engine import MemoryEngine
from tests.support.fakes.runs import FakeRuns

ARCHIVE_LIMITS = ArchiveLimits(max_entries=1_000, max_unpacked_bytes=1024**2)
SECRET = "s3cr3t-of-the-host-0123456789"
WORKFLOW = "image-build/demo/hello:v1/1"  # as the activities of all builds here know theirs
KEY = "source/demo/hello/kept.tar.gz"


@dataclass(frozen=True)
class Host:
    builder: BuilderHost
    engine: MemoryEngine
    runs: FakeRuns
    images: ImageActivities

    async def watch(
        self, build: Checkpoint, *, run_id: str = "run-1", environment: ActivityEnvironment | None = None
    ) -> "asyncio.Task[StageOutcome]":
        """Begin build_image as a run does, and return when it watches an attempt, waits for a slot or has ended."""
        environment = environment or ActivityEnvironment()
        environment.info = replace(environment.info, workflow_id=WORKFLOW, workflow_run_id=run_id)
        has_begun = asyncio.Event()
        environment.on_heartbeat = lambda *_details: has_begun.set()
        task = asyncio.create_task(environment.run(self.images.build_image, build))
        beginning = asyncio.create_task(has_begun.wait())
        await asyncio.wait([task, beginning], return_when=asyncio.FIRST_COMPLETED)
        beginning.cancel()
        return task


class Hosts:
    def __init__(self, database: Database, hints: Hints, folder: Path) -> None:
        self._database = database
        self._hints = hints
        self._folder = folder
        self.store = LocalStore(folder / "objects")

    @asynccontextmanager
    async def running(
        self,
        name: str,
        *,
        slots: int = 2,
        engine_is_away: bool = False,
        store: ObjectStore | None = None,
        area_kind: type[WorkArea] = WorkArea,
    ) -> AsyncIterator[Host]:
        """Run a builder host until the block ends, which stops it in order."""
        identity = BuilderIdentity(name, slots, "an-instance", timedelta(hours=1))
        engine = MemoryEngine()
        engine.is_away = engine_is_away
        with area_kind(self._folder / name) as area:
            builder = BuilderHost(
                identity,
                database=self._database,
                hints=self._hints,
                engine=engine,
                store=store or self.store,
                area=area,
                archive_limits=ARCHIVE_LIMITS,
                redaction=Redaction([SECRET]),
            )
            async with builder:
                runs = FakeRuns()
                yield Host(builder, engine, runs, ImageActivities(self._database, self._hints, engine, builder, runs))

    async def keep_source(self, *, files: int = 0) -> str:
        """Keep a source in the store, as fetching it does, with so many small files; return its sha256."""
        archive = self._folder / "source.tar.gz"
        write_tree(archive, *(entry(f"{TOP}/{number}", b"") for number in range(files)))
        sha256 = hashlib.sha256(archive.read_bytes()).hexdigest()
        await self.store.put_file(KEY, archive)
        return sha256

    async def fetched(self, builds: StoredBuilds, *, files: int = 0) -> Checkpoint:
        """Return a build that is about to be built, its source kept in the store."""
        variables = {"source_key": KEY, "source_sha256": await self.keep_source(files=files)}
        return checkpoint(await builds.running(at=40), code=40).model_copy(update={"variables": variables})
