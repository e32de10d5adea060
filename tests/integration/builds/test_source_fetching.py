"""Sources on their way into the store: who is fetched when, and what is kept of it."""

import asyncio
import gzip
import hashlib
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from operator import eq
from pathlib import Path

import pytest
import pytest_asyncio
from temporalio.testing import ActivityEnvironment

from activities.source.fetching import DownloadLimits, SourceActivities
from activities.work_area import WorkArea
from models.postgres.database import Database
from models.postgres.hints import Hints, Watch
from models.rules.build_payloads import Checkpoint, StageOutcome
from tests.support.builds.builder_hosts import ARCHIVE_LIMITS, Hosts
from tests.support.builds.stored_builds import Ordered, StoredBuilds, checkpoint
from tests.support.engine.hostile_archives import BROKEN
from tests.support.eventually import eventually
from tests.support.fakes.source_host import FakeSourceHost

DOWNLOADS_AT_ONCE = 8
PATIENCE_SECONDS = 30
OF_ONE_COMMIT = {"commit_sha": "ab" * 20}


class WatchWithoutAClock(Watch):
    """Only a hint wakes who waits, so that a test sees whether one was given."""

    async def wait(self, at_most_seconds: float = 1.0) -> None:
        await super().wait(PATIENCE_SECONDS * 2)


@dataclass(frozen=True)
class Fetching:
    """The activity, hosts that build what it fetched, and builds that need their sources."""

    builds: StoredBuilds
    hosts: Hosts
    source_host: FakeSourceHost
    sources: SourceActivities

    async def waiting(self, number: int) -> list[Checkpoint]:
        """Return builds that have reached state 20, each with a commit of its own, the oldest first."""
        return [resolved(await self.builds.running(at=20)) for _build in range(number)]

    def fetch(self, build: Checkpoint) -> "asyncio.Task[StageOutcome]":
        return asyncio.create_task(ActivityEnvironment().run(self.sources.fetch_source, build))


@pytest_asyncio.fixture
async def fetching(
    database: Database, database_url: str, builds: StoredBuilds, tmp_path: Path
) -> AsyncIterator[Fetching]:
    hints = Hints(database_url, watch=WatchWithoutAClock)
    hosts = Hosts(database, hints, tmp_path)
    source_host = FakeSourceHost(tmp_path)
    with WorkArea(tmp_path / "work") as area:
        sources = SourceActivities(
            database,
            hints,
            source_host,
            hosts.store,
            area,
            download=DownloadLimits(largest_bytes=1024**2, longest=timedelta(minutes=1)),
            archive=ARCHIVE_LIMITS,
        )
        yield Fetching(builds, hosts, source_host, sources)


def resolved(build: Ordered) -> Checkpoint:
    commit = hashlib.sha1(build.build_id.bytes).hexdigest()
    return checkpoint(build, code=20).model_copy(update={"variables": {"commit_sha": commit}})


def commits_of(builds: Iterable[Checkpoint]) -> list[str]:
    return [build.variables["commit_sha"] for build in builds]


# turns


async def test_of_many_waiting_builds_those_whose_turn_it_is_are_fetched_and_a_slot_taken_wakes_the_next(
    fetching: Fetching,
) -> None:
    waiting = await fetching.waiting(7)
    fetching.source_host.let_come(7)
    async with fetching.hosts.running("host-1") as host, asyncio.timeout(PATIENCE_SECONDS):  # two slots: four ahead
        fetches = [fetching.fetch(build) for build in reversed(waiting)][::-1]
        fetched = await asyncio.gather(*fetches[:4])
        assert sorted(fetching.source_host.asked) == sorted(commits_of(waiting[:4]))
        for number in (0, 1):
            assert not any(fetch.done() for fetch in fetches[4 + number :])
            building = waiting[number].model_copy(update={"variables": fetched[number].variables})
            await host.watch(building)
            await fetches[4 + number]
        assert fetching.source_host.asked[4:] == commits_of(waiting[4:6])
        fetches[6].cancel()
        await asyncio.wait(fetches[6:])


async def test_no_more_than_eight_sources_are_on_their_way_at_once(fetching: Fetching) -> None:
    waiting = await fetching.waiting(14)
    async with fetching.hosts.running("host-1", slots=7), asyncio.timeout(PATIENCE_SECONDS):
        fetches = [fetching.fetch(build) for build in waiting]

        async def asked() -> int:
            return len(fetching.source_host.asked)

        for arrived in range(7):
            await eventually(asked, partial(eq, DOWNLOADS_AT_ONCE + arrived))
            fetching.source_host.let_come()
        fetching.source_host.let_come(7)
        await asyncio.gather(*fetches)
    assert fetching.source_host.most_at_once == DOWNLOADS_AT_ONCE


# what is kept


async def test_each_build_downloads_its_source_and_equal_ones_are_kept_once(fetching: Fetching) -> None:
    first, second = (build.model_copy(update={"variables": OF_ONE_COMMIT}) for build in await fetching.waiting(2))
    fetching.source_host.let_come(2)
    kept = await fetching.fetch(first)
    assert await fetching.fetch(second) == kept
    assert fetching.source_host.asked == commits_of([first, second])


async def test_a_commit_that_is_packed_anew_leaves_the_source_of_an_earlier_build_alone(fetching: Fetching) -> None:
    first, second = (build.model_copy(update={"variables": OF_ONE_COMMIT}) for build in await fetching.waiting(2))
    fetching.source_host.let_come(2)
    before, archive = await fetching.fetch(first), fetching.source_host.archive
    fetching.source_host.archive = gzip.compress(gzip.decompress(archive), compresslevel=1, mtime=1)
    after = await fetching.fetch(second)
    for outcome, wanted in ((before, archive), (after, fetching.source_host.archive)):
        assert fetching.hosts.store.path_of(outcome.variables["source_key"]).read_bytes() == wanted


@pytest.mark.parametrize("damage", BROKEN)
async def test_a_kept_source_that_is_damaged_meanwhile_is_mended_by_the_next_download(
    fetching: Fetching, damage: str
) -> None:
    [build] = await fetching.waiting(1)
    fetching.source_host.let_come(2)
    first = await fetching.fetch(build)
    kept = fetching.hosts.store.path_of(first.variables["source_key"])
    BROKEN[damage](kept)
    assert await fetching.fetch(build) == first
    assert kept.read_bytes() == fetching.source_host.archive
