"""What is kept of a build holds no secret: neither Temporal's histories nor any table."""

import base64
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from sqlalchemy import text

from models.postgres.database import Database
from models.rules.build_lifecycle import BuildStatus
from models.rules.build_payloads import Checkpoint, StageOutcome
from models.rules.errors.engine import DockerBuildFailed
from models.rules.errors.source import SourceHostDenied, SourceHostUnreachable
from tests.support.builds.build_trials import TOLD_BY_NOBODY, Trial, Trials, stored_trials, temporal_server
from tests.support.fakes.stages import OUTCOMES, Behaviour, fails
from tests.support.servers.postgres import fresh_database, migrated_postgres

LONG = "x" * 1990


@pytest_asyncio.fixture(scope="module")
async def place(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Database, Trials]]:
    async with (
        migrated_postgres(tmp_path_factory.mktemp("postgres")) as postgres,
        temporal_server(tmp_path_factory.mktemp("temporal")) as server,
        fresh_database(postgres) as url,
        stored_trials(server.address, url) as trials,
    ):
        database = Database(url, pool_size=2)
        yield database, trials
        await database.close()


async def everything_in(database: Database) -> str:
    """Return every row of every table as text."""
    async with database.transaction() as session:
        tables = await session.scalars(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"))
        rows = [await session.scalars(text(f'SELECT to_jsonb(t)::text FROM "{table}" t')) for table in tables]
    return "\n".join(row for found in rows for row in found)


def raised_from(error: Exception, cause: Exception) -> Behaviour:
    async def fail(_build: Checkpoint) -> StageOutcome:
        raise error from cause

    return fail


async def says(_build: Checkpoint) -> StageOutcome:
    said = f"it is {TOLD_BY_NOBODY}"
    return OUTCOMES["fetch_source"].model_copy(update={"message": said, "notices": (said,)})


STEP = f"Step 2/2 : RUN curl {TOLD_BY_NOBODY}"
FAILURES = {
    "a step": fails(DockerBuildFailed(f"exit code 1 at {STEP}", failing_step=STEP, exit_code=1)),
    "an upstream's words": fails(SourceHostDenied(f'GitHub says: "Bad {TOLD_BY_NOBODY}".')),
    "words that are cut": fails(SourceHostDenied(f"{LONG}{TOLD_BY_NOBODY}")),
    "words that were cut": fails(SourceHostDenied(f'GitHub says: "Bad {TOLD_BY_NOBODY[:-1]}".')),
    "a cause": raised_from(SourceHostDenied("GitHub refused."), ValueError(f"Authorization: {TOLD_BY_NOBODY}")),
    "a defect": raised_from(TypeError(f"no {TOLD_BY_NOBODY}"), ValueError(f"but {TOLD_BY_NOBODY}")),
}


@pytest.mark.parametrize("behaviour", FAILURES.values(), ids=FAILURES)
async def test_a_failure_is_kept_without_secrets(place: tuple[Database, Trials], behaviour: Behaviour) -> None:
    database, trials = place
    build = await trials.begin(fetch_source=[behaviour, fails(SourceHostDenied("It is wrong, too."))])
    await build.becomes(BuildStatus.FAILED)
    await build.is_parked()
    await shows_nothing(database, build)


async def test_an_outage_is_shown_without_secrets(place: tuple[Database, Trials]) -> None:
    database, trials = place
    build = await trials.begin(fetch_source=[fails(SourceHostUnreachable(f"It is {TOLD_BY_NOBODY}."))])
    await build.ends()
    await shows_nothing(database, build)


async def test_what_a_stage_says_is_kept_without_secrets(place: tuple[Database, Trials]) -> None:
    database, trials = place
    build = await trials.begin(fetch_source=says)
    await build.ends()
    await shows_nothing(database, build)
    assert "it is ******" in await everything_in(database)


async def shows_nothing(database: Database, build: Trial) -> None:
    most = TOLD_BY_NOBODY[: len(TOLD_BY_NOBODY) - 2]
    kept = "\n".join([history.to_json() for history in await build.histories()])
    stored = await everything_in(database)
    assert "******" in stored + kept
    assert most not in stored + kept
    for offset in range(3):  # payloads are in base64, where the bytes before decide how a text looks
        coded = base64.b64encode(b"_" * offset + most.encode())[4:-4].decode()
        assert coded not in kept
