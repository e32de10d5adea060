"""Hosts that share no disk and no engine: what one cannot do, another does."""

import asyncio
from pathlib import Path

from activities.adapters.object_store.remote import RemoteStore
from tests.support.builds.builder_hosts import KEY, Hosts
from tests.support.builds.stored_builds import StoredBuilds
from tests.support.fakes.memory_engine import IMAGE_ID


async def test_a_host_builds_from_the_source_that_another_has_fetched(
    hosts: Hosts, builds: StoredBuilds, tmp_path: Path
) -> None:
    build = await hosts.fetched(builds)
    shared = f"file://{tmp_path}/shared"
    await RemoteStore(shared, {}).put_file(KEY, hosts.store.path_of(KEY))
    hosts.store.path_of(KEY).unlink()
    async with hosts.running("host-2", store=RemoteStore(shared, {})) as host:
        building = await host.watch(build)
        (await host.engine.next_build()).succeed()
        assert (await asyncio.wait_for(building, 30)).variables["image_id"] == IMAGE_ID


async def test_a_host_without_an_engine_leaves_work_to_those_that_have_one(hosts: Hosts) -> None:
    async with hosts.running("host-1", engine_is_away=True) as away:
        await away.builder.takes_work()  # nobody else could: builds are told what they wait for
        async with hosts.running("host-2") as there:
            taking = asyncio.create_task(away.builder.takes_work())
            await there.builder.takes_work()
            await away.builder.engine_look.next_look()
            assert not taking.done()
            away.engine.is_away = False
            await taking
            away.engine.is_away = True
            await away.builder.engine_look.next_look()
            taking = asyncio.create_task(away.builder.takes_work())
            there.engine.is_away = True
            await taking
