"""A public name bears the image of a build in success, or what it bore before: whatever comes between."""

import asyncio
from contextlib import suppress
from datetime import timedelta

import pytest
from temporalio.testing import ActivityEnvironment

from activities.image.building import ImageActivities
from models.postgres.database import Database
from models.postgres.hints import Hints
from models.rules.build_lifecycle import BuildStatus, Wish
from models.rules.errors.database import DatabaseUnreachable
from models.rules.errors.domain import DomainError
from models.rules.errors.engine import ExecutionLost, ForeignImage
from models.rules.errors.request import BuildStateConflict
from models.rules.run_contract import Label
from tests.support.builds.builder_hosts import Hosts
from tests.support.builds.registry import INSTANCE, NEW, OLD, Change, Registry, cancelled, cancelled_for_good, failed
from tests.support.builds.stored_builds import Ordered
from tests.support.eventually import eventually
from tests.support.servers.held_changes import holding
from tests.support.servers.postgres_proxy import Fate, PostgresProxy


async def test_a_registered_image_bears_the_name_and_its_build_is_in_success(registry: Registry) -> None:
    await registry.serving()
    build, at = await registry.built(NEW)
    for _repeat in range(2):
        assert (await registry.register(at)).variables == {"image_uri": registry.reference}
    assert registry.engine.bearer(registry.reference) == NEW
    assert await registry.status(build) == BuildStatus.SUCCEEDED
    names = await registry.engine.named(Label.INSTANCE, INSTANCE)
    assert [name.reference for name in names] == [registry.reference]


async def test_the_row_is_free_and_no_connection_is_taken_while_the_engine_is_slow(
    registry: Registry, hosts: Hosts, database_url: str
) -> None:
    build, at = await registry.built(NEW)
    narrow = Database(database_url, pool_size=1, pool_wait=timedelta(seconds=1))
    async with Hints(database_url) as hints:
        images = ImageActivities(narrow, hints, registry.engine, registry.host.builder, registry.host.runs)
        tagging = asyncio.Event()
        registry.engine.when_tagged = tagging.wait
        registering = asyncio.create_task(registry.register(at, images=images))

        async def is_named() -> bool:
            return registry.engine.bearer(registry.reference) == NEW

        await eventually(is_named)
        await narrow.ping()
        assert await registry.builds.wish(build, Wish.PAUSE)
        tagging.set()
        await registering
    await narrow.close()


# the commit does not come


async def taken_over(registry: Registry, build: Ordered) -> None:
    await registry.builds.claim(build, "run-2")


@pytest.mark.parametrize("change", [cancelled, cancelled_for_good, failed, taken_over])
@pytest.mark.parametrize("is_rebuild", [False, True], ids=["first build", "rebuild"])
async def test_a_name_is_put_back_when_the_build_changed_after_it_was_given(
    registry: Registry, change: Change, is_rebuild: bool
) -> None:
    if is_rebuild:
        await registry.serving()
    build, at = await registry.built(NEW)
    before = registry.engine.bearer(registry.reference)

    async def change_build() -> None:
        registry.engine.when_tagged = None
        assert registry.engine.bearer(registry.reference) == NEW
        await change(registry, build)

    registry.engine.when_tagged = change_build
    with pytest.raises((BuildStateConflict, ExecutionLost)):
        await registry.register(at)
    assert registry.engine.bearer(registry.reference) == before
    assert await registry.status(build) != BuildStatus.SUCCEEDED


@pytest.mark.parametrize("is_rebuild", [False, True], ids=["first build", "rebuild"])
async def test_a_native_cancel_before_the_commit_puts_the_name_back(registry: Registry, is_rebuild: bool) -> None:
    if is_rebuild:
        await registry.serving()
    build, at = await registry.built(NEW)
    before = registry.engine.bearer(registry.reference)
    environment = ActivityEnvironment()

    async def cancel() -> None:
        registry.engine.when_tagged = None
        environment.cancel()

    registry.engine.when_tagged = cancel
    with suppress(asyncio.CancelledError), pytest.raises(DomainError):
        await registry.register(at, environment)
    assert registry.engine.bearer(registry.reference) == before
    assert await registry.status(build) == BuildStatus.RUNNING


async def test_a_native_cancel_in_mid_commit_changes_nothing(registry: Registry, database_url: str) -> None:
    build, at = await registry.built(NEW)
    environment = ActivityEnvironment()
    async with holding(database_url, "builds", "UPDATE", "NEW.status = 'succeeded'") as is_held:
        registering = asyncio.create_task(registry.register(at, environment))
        await eventually(is_held)
        environment.cancel()
    assert (await registering).variables == {"image_uri": registry.reference}
    assert registry.engine.bearer(registry.reference) == NEW
    assert await registry.status(build) == BuildStatus.SUCCEEDED


@pytest.mark.parametrize("fate", [Fate.MADE, Fate.NOT_MADE])
async def test_after_a_commit_in_doubt_name_and_row_agree_at_once_and_the_next_try_ends_well(
    registry: Registry, database_url: str, fate: Fate
) -> None:
    await registry.serving()
    build, at = await registry.built(NEW)
    async with PostgresProxy(database_url) as proxy, Hints(database_url) as hints:
        database = Database(proxy.url, pool_size=5)
        images = ImageActivities(database, hints, registry.engine, registry.host.builder, registry.host.runs)

        async def break_commit() -> None:
            registry.engine.when_tagged = None
            proxy.break_next_commit(fate)

        registry.engine.when_tagged = break_commit
        with pytest.raises(DatabaseUnreachable):
            await registry.register(at, images=images)
        expected = (NEW, BuildStatus.SUCCEEDED) if fate == Fate.MADE else (OLD, BuildStatus.RUNNING)
        assert (registry.engine.bearer(registry.reference), await registry.status(build)) == expected
        await registry.register(at, images=images)
        await database.close()
    assert registry.engine.bearer(registry.reference) == NEW
    assert await registry.status(build) == BuildStatus.SUCCEEDED


async def test_a_foreign_image_keeps_its_name(registry: Registry) -> None:
    _build, at = await registry.built(NEW)
    registry.engine.hold(OLD, registry.reference, {})
    with pytest.raises(ForeignImage):
        await registry.register(at)
    assert registry.engine.bearer(registry.reference) == OLD


# two at once


async def test_two_tries_at_once_register_once(registry: Registry) -> None:
    build, at = await registry.built(NEW)
    await asyncio.gather(*(registry.register(at) for _try in range(4)))
    assert registry.engine.bearer(registry.reference) == NEW
    assert (await registry.builds.events(build)).count("build.succeeded") == 1


async def test_a_late_try_of_a_cancelled_build_takes_nothing_from_the_build_after_it(registry: Registry) -> None:
    late, at_late = await registry.built(OLD)
    may_go_on = asyncio.Event()

    async def be_late() -> None:
        registry.engine.when_tagged = None
        await may_go_on.wait()

    registry.engine.when_tagged = be_late
    trying = asyncio.create_task(registry.register(at_late))

    async def is_named() -> bool:
        return registry.engine.bearer(registry.reference) == OLD

    await eventually(is_named)
    await cancelled_for_good(registry, late)
    _build, at = await registry.built(NEW)
    registering = asyncio.create_task(registry.register(at))
    may_go_on.set()
    with pytest.raises(BuildStateConflict):
        await trying
    await registering
    assert registry.engine.bearer(registry.reference) == NEW
