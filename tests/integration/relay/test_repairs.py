"""A build under way that has lost its run is mended within two sightings; everything else is left alone."""

import asyncio
from dataclasses import dataclass, field
from uuid import uuid4

import pytest

from activities.ports.runs import RunEnd
from activities.relay.repairs.abandoned_executions import AbandonedExecutions
from activities.relay.repairs.open_builds import OpenBuilds
from activities.sightings import Sightings
from models.postgres.database import Database
from models.repositories.builder import BuilderReport, BuilderRepository
from models.repositories.execution import ExecutionRepository
from models.rules.build_lifecycle import BuildStatus, Wish
from models.rules.errors.orchestrator import OrchestratorUnreachable
from models.rules.run_contract import image_workflow_id
from tests.support.builds.stored_builds import Ordered, StoredBuilds
from tests.support.fakes.runs import FakeRuns

DIRTY = "SELECT id FROM dirty_keys ORDER BY id"


@dataclass
class House:
    """The repairs, by a clock that the test moves, over a Temporal in memory."""

    database: Database
    builds: StoredBuilds
    runs: FakeRuns = field(default_factory=FakeRuns)
    now: float = 0.0

    def __post_init__(self) -> None:
        self.open_builds = OpenBuilds(self.database, self.runs, Sightings(clock=lambda: self.now))
        self.executions = AbandonedExecutions(self.database, Sightings(clock=lambda: self.now))

    async def look_twice(self) -> None:
        for _look in range(2):
            await self.open_builds.look()
            await self.executions.look()
            self.now += 31

    async def running(self, *, at: int = 40) -> Ordered:
        """Return a build under way whose run is open and whose key is delivered."""
        build = await self.builds.running(at=at)
        self.runs.open.add(workflow(build))
        await self.settle()
        return build

    async def settle(self) -> None:
        await self.builds.fetch("DELETE FROM dirty_keys RETURNING id")

    async def dirty(self) -> set[str]:
        return {row["id"] for row in await self.builds.fetch(DIRTY)}

    async def rules(self, build: Ordered) -> list[str]:
        told = "SELECT payload->>'rule' AS rule FROM events WHERE type = 'build.repaired' AND subject = :s ORDER BY id"
        return [row["rule"] for row in await self.builds.fetch(told, s=f"build/{build.build_id}")]


def workflow(build: Ordered) -> str:
    return image_workflow_id(build.name, "v1", build.generation)


@pytest.fixture
def house(database: Database, builds: StoredBuilds) -> House:
    return House(database, builds)


# runs


@pytest.mark.parametrize(
    ("end", "rule"), [(None, "missing_run"), (RunEnd.OTHERWISE, "ended_run")], ids=["deleted", "ended by a defect"]
)
async def test_a_build_without_a_run_is_carried_again(house: House, end: RunEnd | None, rule: str) -> None:
    build, other = await house.running(), await house.running()
    house.runs.close(workflow(build), end)
    await house.look_twice()
    assert await house.dirty() == {str(build.build_id)}
    assert (await house.builds.row(build.build_id)).status == BuildStatus.RUNNING
    assert (await house.rules(build), await house.rules(other)) == ([rule], [])


async def test_a_repair_that_shows_no_effect_yet_is_not_made_at_each_look(house: House) -> None:
    build = await house.running()
    house.runs.close(workflow(build), None)
    await house.look_twice()
    for _look in range(3):
        house.now += 8
        await house.open_builds.look()
    assert await house.rules(build) == ["missing_run"]
    house.now += 31
    await house.open_builds.look()
    assert await house.rules(build) == ["missing_run"] * 2


async def test_a_build_whose_first_run_never_came_is_carried_again(house: House) -> None:
    build = await house.builds.order()
    await house.settle()
    await house.look_twice()
    assert await house.dirty() == {str(build.build_id)}


async def test_a_build_whose_run_was_terminated_fails_and_may_be_resumed(house: House) -> None:
    build = await house.running()
    house.runs.close(workflow(build), RunEnd.TERMINATED)
    await house.look_twice()
    row = await house.builds.row(build.build_id)
    assert (row.status, row.current_state) == (BuildStatus.FAILED, 40)
    assert "terminated" in (row.error or "")
    assert await house.builds.wish(build, Wish.RESUME)


async def test_a_run_that_a_reset_terminated_left_an_open_one_and_nothing_is_done(house: House) -> None:
    build = await house.running()
    house.runs.ends[workflow(build)] = RunEnd.TERMINATED
    await house.look_twice()
    assert (await house.builds.row(build.build_id)).status == BuildStatus.RUNNING
    assert await house.rules(build) == []


@pytest.mark.parametrize("end", [RunEnd.TERMINATED, RunEnd.CANCELLED])
async def test_a_cancel_that_was_wanted_or_taken_is_not_lost_with_the_run(house: House, end: RunEnd) -> None:
    build = await house.running()
    if end == RunEnd.TERMINATED:
        await house.builds.wish(build, Wish.CANCEL)
    house.runs.close(workflow(build), end)
    await house.look_twice()
    assert (await house.builds.row(build.build_id)).status == BuildStatus.CANCELLED


async def test_nothing_is_done_at_first_sight(house: House) -> None:
    build = await house.running()
    house.runs.close(workflow(build), RunEnd.TERMINATED)
    for _look in range(3):
        await house.open_builds.look()
        house.now += 9
    assert (await house.builds.row(build.build_id)).status == BuildStatus.RUNNING


async def test_a_build_that_moves_between_the_sightings_is_seen_anew(house: House) -> None:
    build = await house.running()
    house.runs.close(workflow(build), None)
    await house.open_builds.look()
    await house.builds.enter(build, 60)
    house.now += 31
    await house.open_builds.look()
    assert await house.rules(build) == []


async def test_builds_that_have_ended_or_wait_for_resume_need_no_run(house: House) -> None:
    ended = [await house.builds.succeeded(), await house.builds.failed()]
    await house.settle()
    await house.look_twice()
    assert await house.dirty() == set()
    for build in ended:
        assert await house.rules(build) == []


async def test_more_builds_than_fit_a_page_are_all_compared(house: House) -> None:
    await asyncio.gather(*(house.builds.order() for _build in range(205)))
    await house.settle()
    lost = [await house.builds.order(), await house.builds.order()]
    rows = await house.builds.fetch("SELECT image_name, generation FROM builds ORDER BY id")
    house.runs.open |= {image_workflow_id(row["image_name"], "v1", row["generation"]) for row in rows}
    for build in lost:
        house.runs.open.discard(workflow(build))
    await house.settle()
    await house.look_twice()
    assert await house.dirty() == {str(build.build_id) for build in lost}


async def test_while_temporal_is_away_nothing_is_taken_for_lost(house: House) -> None:
    build = await house.running()
    house.runs.close(workflow(build), None)
    house.runs.is_away = True
    with pytest.raises(OrchestratorUnreachable):
        await house.look_twice()
    assert await house.dirty() == set()


# executions


async def test_an_execution_whose_builder_is_gone_and_whose_build_has_ended_is_closed(house: House) -> None:
    async with house.database.transaction() as session:
        await BuilderRepository(session).register(BuilderReport("host-1", uuid4(), 3, "20.10.24", None, False))
    tokens = {}
    for name in ("ended", "goes on", "beats"):
        build = await house.running()
        async with house.database.transaction() as session:
            execution, _is_new = await ExecutionRepository(session).open_execution(build.build_id, "run-1", "host-1")
        tokens[name] = execution.token
        if name != "goes on":
            await house.builds.report(build, BuildStatus.CANCELLED, 40, 9)
        if name != "beats":
            await house.builds.fetch(
                "UPDATE build_executions SET lease_until = clock_timestamp() WHERE token = :t RETURNING token",
                t=execution.token,
            )
    await house.look_twice()
    closed = await house.builds.fetch("SELECT token, outcome FROM build_executions WHERE outcome IS NOT NULL")
    assert [(row["token"], row["outcome"]) for row in closed] == [(tokens["ended"], "lost")]
