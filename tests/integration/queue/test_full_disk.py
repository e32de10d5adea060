"""A host whose disk is full: what is said, that nothing half-written stays, and that it goes on when there is room."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import ClassVar

import pytest
import pytest_asyncio
from temporalio.testing import ActivityEnvironment

from activities.adapters.object_store.local import LocalStore
from activities.source.fetching import DownloadLimits, SourceActivities
from activities.source.turns import SourceTurns
from activities.work_area import WorkArea
from models.postgres.database import Database
from models.postgres.hints import Hints
from models.rules.errors.engine import HostDiskFailed
from tests.support.builds.builder_hosts import ARCHIVE_LIMITS, Hosts
from tests.support.builds.stored_builds import StoredBuilds, checkpoint
from tests.support.eventually import eventually
from tests.support.fakes.source_host import FakeSourceHost

FULL = Path("/dev/full")  # takes nothing, as a disk without room


class FullArea(WorkArea):
    """A work area in which nothing can be written into these files."""

    made: ClassVar[list[str]] = []

    def folder(self, name: str) -> Path:
        path = super().folder(name)
        self.made.append(name)
        for file in ("source.tar.gz", "log.zst"):
            (path / file).symlink_to(FULL)
        return path


class StoreToAFullDisk(LocalStore):
    """One whose objects find no room where they are fetched to, until `has_room`."""

    has_room = False

    async def fetch(self, key: str, into: Path) -> bool:
        if not self.has_room:
            await asyncio.to_thread(FULL.write_bytes, b"x" * 100_000)
        return await super().fetch(key, into)


@pytest_asyncio.fixture
async def hosts(database: Database, database_url: str, tmp_path: Path) -> AsyncIterator[Hosts]:
    async with Hints(database_url) as hints:
        yield Hosts(database, hints, tmp_path)


async def test_a_download_says_which_folder_is_full_and_leaves_nothing(
    database: Database, builds: StoredBuilds, hosts: Hosts, database_url: str, tmp_path: Path
) -> None:
    source_host = FakeSourceHost(tmp_path)
    source_host.archive = b"x" * 100_000
    source_host.let_come()
    hints = Hints(database_url)
    with FullArea(tmp_path / "work") as area:
        sources = SourceActivities(
            database,
            hints,
            source_host,
            hosts.store,
            area,
            turns=SourceTurns(database, hints),
            download=DownloadLimits(largest_bytes=1024**2, longest=timedelta(minutes=1)),
            archive=ARCHIVE_LIMITS,
        )
        build = checkpoint(await builds.running(at=20), code=20)
        with pytest.raises(HostDiskFailed, match=f"The disk below {area.path} has too little room"):
            await ActivityEnvironment().run(sources.fetch_source, build)
        assert [each.name for each in area.path.iterdir()] == [".lock"]
    assert not await builds.fetch("SELECT * FROM source_fetches"), "its place is another's"


async def test_an_attempt_says_which_folder_is_full_and_the_next_one_goes_on(
    hosts: Hosts, builds: StoredBuilds, tmp_path: Path
) -> None:
    store = StoreToAFullDisk(tmp_path / "objects")
    build = await hosts.fetched(builds)
    async with hosts.running("host-1", store=store) as host:
        with pytest.raises(HostDiskFailed, match=f"The disk below {tmp_path / 'host-1'}/[0-9a-f]+ has too little room"):
            await (await host.watch(build))
        await eventually(lambda: left_in(tmp_path / "host-1"), lambda left: left == [".lock"])
        store.has_room = True
        again = await host.watch(build)
        (await host.engine.next_build()).succeed()
        assert (await again).variables["builder"] == "host-1"


async def test_a_log_that_finds_no_room_as_an_object_stays_in_the_database_and_leaves_nothing(
    hosts: Hosts, builds: StoredBuilds, tmp_path: Path
) -> None:
    async with hosts.running("host-1", area_kind=FullArea) as host:
        own = await host.watch(await hosts.fetched(builds))
        work = await host.engine.next_build()
        work.write(b"one line\n" * 100_000)
        work.succeed()
        await own

        async def made() -> list[str]:
            return FullArea.made

        await eventually(made, lambda names: any(name.startswith("log-") for name in names))
        await eventually(lambda: left_in(tmp_path / "host-1"), lambda left: left == [".lock"])
        assert await builds.fetch("SELECT log_key FROM build_executions") == [{"log_key": None}]
    async with hosts.running("host-1"):  # there is room again
        await eventually(lambda: builds.fetch("SELECT 1 FROM build_executions WHERE log_key IS NOT NULL"))


async def left_in(host: Path) -> list[str]:
    """Return what lies in the work area of a host."""
    found = await asyncio.to_thread(lambda: list(host.glob("*/*")))
    return [path.name for path in found]
