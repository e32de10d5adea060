"""Builds that meet an outage, on a real Temporal: they wait, use up no tries, and can be cancelled meanwhile."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import pytest_asyncio
from sqlalchemy import select
from sqlmodel import col
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowExecutionStatus

from models.postgres.database import Database
from models.repositories.image.reading import ImageReading
from models.rules.build_lifecycle import BuildStatus
from models.rules.errors.engine import EngineRefused, EngineUnreachable, HostDiskFailed
from models.rules.errors.source import SourceHostRateLimited, SourceHostUnreachable
from models.tables.build import Build
from tests.support.builds.addresses import build_of
from tests.support.builds.build_trials import Trial, Trials, events_of, stored_trials, temporal_server
from tests.support.eventually import eventually
from tests.support.fakes.stages import fails
from tests.support.servers.postgres import fresh_database, migrated_postgres
from workflows.image_build import STAGES

GIVEN_UP = "It was waited for as long as SLIPWAY_OUTAGE_PATIENCE allows."
ALL_STAGES = [stage.activity for stage in STAGES]
PATIENCE = timedelta(seconds=12)
MORE_THAN_SIX = 7
SOON = timedelta(milliseconds=100)
DAY = timedelta(days=1)


@pytest_asyncio.fixture(scope="module")
async def place(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[str, Trials]]:
    async with (
        migrated_postgres(tmp_path_factory.mktemp("postgres")) as postgres,
        temporal_server(tmp_path_factory.mktemp("temporal")) as server,
        fresh_database(postgres) as url,
        stored_trials(server.address, url, patience=PATIENCE) as trials,
    ):
        yield url, trials


@pytest.fixture
def trials(place: tuple[str, Trials]) -> Trials:
    return place[1]


@pytest_asyncio.fixture
async def database(place: tuple[str, Trials]) -> AsyncIterator[Database]:
    database = Database(place[0], pool_size=5)
    yield database
    await database.close()


async def stored(database: Database, build: Trial) -> Build:
    async with database.transaction() as session:
        return (await session.execute(select(Build).where(col(Build.id) == build_of(build.run)))).scalar_one()


async def waits_for(database: Database, build: Trial) -> str | None:
    image_id = (await stored(database, build)).image_id
    async with database.transaction() as session:
        return (await ImageReading(session).view(image_id or 0)).waits_for


async def test_an_outage_that_outlasts_any_number_of_tries_costs_the_build_nothing(trials: Trials) -> None:
    asked_to_wait = SourceHostRateLimited("GitHub's rate limit is used up.", retry_after=SOON)
    builds = await asyncio.gather(
        trials.begin(resolve_tag=[fails(asked_to_wait)] * MORE_THAN_SIX),
        trials.begin(fetch_source=[fails(asked_to_wait)] * MORE_THAN_SIX),
        trials.begin(build_image=[fails(asked_to_wait)] * MORE_THAN_SIX),
        trials.begin(inspect_image=[fails(EngineUnreachable("The engine does not answer."))] * 2),
        trials.begin(register_image=[fails(HostDiskFailed("The disk is full."))] * 2),
    )
    for build in builds:
        assert await build.ends() == WorkflowExecutionStatus.COMPLETED
        assert list(dict.fromkeys(build.calls)) == ALL_STAGES
        [history] = await build.histories()
        assert events_of(history, EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED) == 0, "waiting writes no events"


async def test_an_outage_beyond_the_patience_fails_the_build_which_can_be_resumed(
    trials: Trials, database: Database
) -> None:
    build = await trials.begin(build_image=[fails(EngineUnreachable("The engine does not answer."))] * 100)
    row = await build.becomes(BuildStatus.FAILED)
    assert (row.code, row.error_code) == (40, "engine_unreachable")
    assert (await stored(database, build)).error == f"The engine does not answer. {GIVEN_UP}"
    assert await waits_for(database, build) is None


async def test_what_answers_that_it_is_wrong_is_not_asked_again(trials: Trials) -> None:
    build = await trials.begin(build_image=[fails(EngineRefused("The engine cannot do this."))] * 2)
    await build.becomes(BuildStatus.FAILED)
    assert build.calls.count("build_image") == 1


@pytest.mark.parametrize("stage", ["resolve_tag", "fetch_source", "build_image"])
async def test_a_build_that_waits_for_its_next_try_says_so_and_is_cancelled_at_once(
    trials: Trials, database: Database, stage: str
) -> None:
    limited = fails(SourceHostRateLimited("GitHub's rate limit is used up.", retry_after=DAY))
    build = await trials.begin(stays_open=DAY, **{stage: limited})
    shown = await eventually(lambda: waits_for(database, build), lambda told: told is not None and "limit" in told)
    assert shown is not None
    assert shown.startswith("GitHub's rate limit is used up. The next try is at ")
    await build.handle.cancel()
    assert await build.ends() == WorkflowExecutionStatus.CANCELED
    assert (await build.row()).status == BuildStatus.CANCELLED
    assert build.calls.count(stage) == 1
    assert await waits_for(database, build) is None


async def test_githubs_outage_is_shown_with_its_reason(trials: Trials, database: Database) -> None:
    build = await trials.begin(resolve_tag=[fails(SourceHostUnreachable("api.github.com cannot be reached."))] * 3)
    shown = await eventually(lambda: waits_for(database, build))
    assert shown is not None
    assert shown.startswith("api.github.com cannot be reached. The next try is at ")
    assert await build.ends() == WorkflowExecutionStatus.COMPLETED
