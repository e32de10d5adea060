"""A public name that a death left is repaired, and what serves is left alone."""

from dataclasses import dataclass

import pytest

from activities.builder.public_names import PublicNames
from activities.sightings import Sightings
from models.postgres.database import Database
from models.rules.run_contract import Label
from tests.support.builds.registry import INSTANCE, NEW, OLD, Change, Registry, cancelled_for_good, failed
from tests.support.fakes.memory_engine import MemoryEngine


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
