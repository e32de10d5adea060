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
from activities.source.turns import SourceTurns
from activities.work_area import WorkArea
from models.postgres.database import Database
from models.postgres.hints import Hints, Watch
from models.rules.build_lifecycle import BuildStatus, StateCode
from models.rules.build_payloads import Checkpoint, StageOutcome
from tests.support.builds.builder_hosts import ARCHIVE_LIMITS, Hosts
from tests.support.builds.stored_builds import Ordered, StoredBuilds, checkpoint
from tests.support.engine.hostile_archives import BROKEN
from tests.support.eventually import eventually
from tests.support.fakes.source_host import FakeSourceHost

DOWNLOADS_AT_ONCE = 8
PATIENCE_SECONDS = 30
STALLED = "GitHub has stopped sending the source of demo/hello, 0 bytes in."
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

    async def lies_ready(self, build: Checkpoint) -> None:
        """Enter state 40, as the run does when the source is there."""
        ordered = Ordered(0, build.build_id, build.generation, build.name)
        await self.builds.report(ordered, BuildStatus.RUNNING, StateCode.BUILD, 2)

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
            turns=SourceTurns(database, hints),
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


async def test_enough_sources_are_fetched_ahead_and_a_slot_that_is_taken_wakes_the_next(fetching: Fetching) -> None:
    waiting = await fetching.waiting(6)
    fetching.source_host.let_come(6)
    async with fetching.hosts.running("host-1") as host, asyncio.timeout(PATIENCE_SECONDS):  # two slots: four ahead
        fetched = await asyncio.gather(*(fetching.fetch(build) for build in waiting[:4]))
        fetches = [fetching.fetch(build) for build in waiting[4:]]
        for number in (0, 1):
            assert not any(fetch.done() for fetch in fetches[number:])
            building = waiting[number].model_copy(update={"variables": fetched[number].variables, "code": 40})
            await fetching.lies_ready(building)
            await host.watch(building)
            await asyncio.wait(fetches[number:], return_when=asyncio.FIRST_COMPLETED)
            fetches.sort(key=lambda fetch: not fetch.done())
        assert sorted(fetching.source_host.asked) == sorted(commits_of(waiting))


async def test_downloads_that_hang_give_their_places_to_others_and_say_so(fetching: Fetching) -> None:
    stalled, others = await fetching.waiting(4), await fetching.waiting(4)
    async with fetching.hosts.running("host-1"), asyncio.timeout(PATIENCE_SECONDS):
        hanging = [fetching.fetch(build) for build in stalled]
        await eventually(fetching.source_host.asked_now, lambda asked: len(asked) == 4)
        fetches = [fetching.fetch(build) for build in others]
        await eventually(fetching.source_host.asked_now, lambda asked: len(asked) == 8)
        told = await fetching.builds.fetch("SELECT waits_for FROM build_waits")
        assert [row["waits_for"] for row in told] == [STALLED] * 4
        fetching.source_host.let_come(8)
        await asyncio.gather(*fetches, *hanging)
        told = await fetching.builds.fetch("SELECT waits_for FROM build_waits WHERE waits_for IS NOT NULL")
        assert not told, "they have come after all"


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
