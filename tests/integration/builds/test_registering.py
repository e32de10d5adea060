"""A public name bears the image of a build in success, or what it bore before: whatever comes between."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
import pytest_asyncio
from temporalio.testing import ActivityEnvironment

from activities.builder.public_names import PublicNames
from activities.image.building import ImageActivities
from activities.sightings import Sightings
from models.postgres.database import Database
from models.postgres.hints import Hints
from models.repositories.execution import ExecutionEnd, ExecutionRepository
from models.rules.build_lifecycle import BuildStatus, Wish
from models.rules.build_payloads import Checkpoint, StageOutcome
from models.rules.errors.database import DatabaseUnreachable
from models.rules.errors.domain import DomainError
from models.rules.errors.engine import ExecutionLost, ForeignImage
from models.rules.errors.request import BuildStateConflict
from models.rules.image_reference import attempt_reference
from models.rules.run_contract import Label
from tests.support.builds.builder_hosts import Host, Hosts
from tests.support.builds.stored_builds import BROKEN, Ordered, StoredBuilds, checkpoint
from tests.support.eventually import eventually
from tests.support.fakes.memory_engine import MemoryEngine
from tests.support.servers.held_changes import holding
from tests.support.servers.postgres_proxy import Fate, PostgresProxy

INSTANCE = "an-instance"
OLD, NEW = "sha256:" + "01" * 32, "sha256:" + "02" * 32


@dataclass
class Registry:
    """One builder host, and builds of one name:tag that are about to be registered there."""

    builds: StoredBuilds
    host: Host
    reference: str = "demo/served:v1"

    @property
    def engine(self) -> MemoryEngine:
        return self.host.engine

    async def built(self, image_id: str, *, name: str = "demo/served") -> tuple[Ordered, Checkpoint]:
        """Return a build of the name that came to this image, and where it stands: before it is registered."""
        build = await self.builds.running(name, at=40, force_rebuild=True)
        async with self.builds.database.transaction() as session:
            executions = ExecutionRepository(session)
            execution, _is_new = await executions.open_execution(build.build_id, "run-1", "host-1")
            await executions.end(execution.token or 0, ExecutionEnd("succeeded", docker_image_id=image_id))
        await self.builds.enter(build, 90)
        labels: dict[str, str] = {Label.INSTANCE: INSTANCE, Label.BUILD: str(build.build_id)}
        self.engine.hold(image_id, attempt_reference(build.build_id, execution.token or 0), labels)
        at = checkpoint(build)
        return build, at.model_copy(update={"variables": at.variables | {"image_id": image_id}})

    async def register(
        self, build: Checkpoint, environment: ActivityEnvironment | None = None, images: ImageActivities | None = None
    ) -> StageOutcome:
        environment = environment or ActivityEnvironment()
        environment.info = replace(environment.info, workflow_run_id="run-1")
        outcome: StageOutcome = await environment.run((images or self.host.images).register_image, build)
        return outcome

    async def serving(self) -> None:
        """Have an older build of the name in success."""
        _build, at = await self.built(OLD)
        await self.register(at)

    async def status(self, build: Ordered) -> str:
        return (await self.builds.row(build.build_id)).status


@pytest_asyncio.fixture
async def registry(hosts: Hosts, builds: StoredBuilds) -> AsyncIterator[Registry]:
    async with hosts.running("host-1") as host:
        yield Registry(builds, host)


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


async def cancelled(registry: Registry, build: Ordered) -> None:
    assert await registry.builds.wish(build, Wish.CANCEL)


async def cancelled_for_good(registry: Registry, build: Ordered) -> None:
    await registry.builds.report(build, BuildStatus.CANCELLED, 90, 9)


async def failed(registry: Registry, build: Ordered) -> None:
    await registry.builds.report(build, BuildStatus.FAILED, 90, 9, failure=BROKEN)


async def taken_over(registry: Registry, build: Ordered) -> None:
    await registry.builds.claim(build, "run-2")


Change = Callable[[Registry, Ordered], Awaitable[None]]


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


# the repair of what a death left


@dataclass
class Watch:
    """The names' repair, by a clock that the test moves."""

    database: Database
    engine: MemoryEngine
    now: float = 0.0

    def __post_init__(self) -> None:
        self.names = PublicNames(self.database, self.engine, INSTANCE, Sightings(clock=lambda: self.now))

    async def look_twice(self) -> None:
        await self.names.repair()
        self.now += 31
        await self.names.repair()


@pytest.fixture
def watch(registry: Registry, database: Database) -> Watch:
    return Watch(database, registry.engine)


@pytest.mark.parametrize("end", [cancelled_for_good, failed])
@pytest.mark.parametrize("is_rebuild", [False, True], ids=["first build", "rebuild"])
async def test_a_name_that_a_death_left_with_an_ended_build_is_repaired(
    registry: Registry, watch: Watch, end: Change, is_rebuild: bool
) -> None:
    if is_rebuild:
        await registry.serving()
    build, _at = await registry.built(NEW)
    before = registry.engine.bearer(registry.reference)
    await registry.engine.tag(NEW, registry.reference)
    await watch.look_twice()
    assert registry.engine.bearer(registry.reference) == NEW  # its build may be about to commit
    await end(registry, build)
    await watch.names.repair()
    assert registry.engine.bearer(registry.reference) == NEW  # seen once
    watch.now += 31
    await watch.names.repair()
    assert registry.engine.bearer(registry.reference) == before
    assert (await registry.builds.events(build))[-1] == "image.name_repaired"


async def test_a_name_goes_when_the_image_that_served_is_gone(registry: Registry, watch: Watch) -> None:
    await registry.serving()
    build, _at = await registry.built(NEW)
    await registry.engine.tag(NEW, registry.reference)
    registry.engine.lose(OLD)
    await cancelled_for_good(registry, build)
    await watch.look_twice()
    assert registry.engine.bearer(registry.reference) is None


async def test_the_repair_leaves_alone_what_serves_and_what_is_not_ours_to_name(
    registry: Registry, watch: Watch
) -> None:
    await registry.serving()
    ended, _at = await registry.built(NEW, name="demo/ended")
    await cancelled_for_good(registry, ended)
    registry.engine.hold("sha256:foreign", "somebody/else:v1", {})
    registry.engine.hold("sha256:other", "demo/other:v1", {Label.INSTANCE: "another", Label.BUILD: str(ended.build_id)})
    await registry.engine.tag(OLD, "people/call-it:this")
    await registry.engine.tag(NEW, "people/keep:that")
    before = {name.reference: name.image_id for name in await registry.engine.named(Label.INSTANCE, INSTANCE)}
    await watch.look_twice()
    after = {name.reference: name.image_id for name in await registry.engine.named(Label.INSTANCE, INSTANCE)}
    assert after == before
    assert {registry.reference, "people/call-it:this", "people/keep:that"} < set(after)
    assert registry.engine.bearer("somebody/else:v1") == "sha256:foreign"
    assert registry.engine.bearer("demo/other:v1") == "sha256:other"


def test_nothing_is_wrong_that_was_seen_once_or_not_any_more() -> None:
    now = [0.0]
    sightings: Sightings[str] = Sightings(clock=lambda: now[0])
    assert sightings.twice(["a", "b"]) == []
    now[0] = 29
    assert sightings.twice(["a"]) == []
    now[0] = 31
    assert sightings.twice(["a", "b"]) == ["a"]
    now[0] = 62
    assert sightings.twice(["b"]) == ["b"]
