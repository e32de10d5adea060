from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError

from models.rules.build_lifecycle import BuildStatus, ClaimAnswer, Wish
from models.rules.build_payloads import ArtifactReport
from tests.support.builds.stored_build_rows import COMMIT
from tests.support.builds.stored_builds import BROKEN, Ordered, StoredBuilds, states

SOURCE = ArtifactReport(
    state_code=20,
    name="source_archive",
    type="source_archive",
    path="source/demo/hello/x.tar.gz",
    storage_backend="local",
    size_bytes=10,
    checksum="ab" * 32,
)


# claims


async def test_a_first_claim_makes_the_build_running_and_brings_its_checkpoint(builds: StoredBuilds) -> None:
    build = await builds.order("demo/hello", third_party_id="acme", priority=2)
    claimed = await builds.claim(build)
    assert claimed.answer == ClaimAnswer.WORK
    assert claimed.build is not None
    assert (claimed.build.code, claimed.build.image, claimed.build.repo) == (0, "demo/hello:v1", "demo/hello")
    assert (claimed.build.priority, claimed.build.fairness_key) == (2, "acme")
    row = await builds.row(build.build_id)
    assert (row.status, row.epoch) == (BuildStatus.RUNNING, 1)
    assert row.started_at is not None
    assert await builds.events(build) == ["build.created", "build.started"]


async def test_a_repeated_claim_is_the_same_claim(builds: StoredBuilds) -> None:
    build = await builds.order()
    assert await builds.claim(build) == await builds.claim(build)
    assert (await builds.row(build.build_id)).epoch == 1
    assert await builds.events(build) == ["build.created", "build.started"]


async def test_a_second_run_takes_the_build_over_where_it_stands(builds: StoredBuilds) -> None:
    build = await builds.running(at=20)
    await builds.report(build, BuildStatus.RUNNING, 40, 2, variables={"commit_sha": COMMIT}, host_queue="engine@h")
    claimed = await builds.claim(build, "run-2")
    assert claimed.build is not None
    assert (claimed.build.code, claimed.build.variables) == (40, {"commit_sha": COMMIT})
    assert claimed.build.host_queue == "engine@h"
    assert (await builds.row(build.build_id)).epoch == 2


async def test_a_run_that_was_overtaken_is_given_nothing(builds: StoredBuilds) -> None:
    build = await builds.running()
    await builds.claim(build, "run-2")
    assert (await builds.claim(build, "run-1")).answer == ClaimAnswer.NOTHING


async def test_a_claim_of_another_generation_is_given_nothing(builds: StoredBuilds) -> None:
    build = await builds.order()
    other = Ordered(build.image_id, build.build_id, 7, build.name)
    assert (await builds.claim(other)).answer == ClaimAnswer.NOTHING
    assert (await builds.row(build.build_id)).status == BuildStatus.PENDING


async def test_a_stray_claim_of_a_failed_build_parks_it_for_what_is_left_of_its_time(builds: StoredBuilds) -> None:
    build = await builds.failed()
    await builds.fetch(
        "UPDATE builds SET completed_at = now() - interval '10 days' WHERE id = :b RETURNING id", b=build.build_id
    )
    claimed = await builds.claim(build, "run-2")
    assert claimed.answer == ClaimAnswer.PARK
    assert timedelta(days=3, hours=23) < claimed.stays_open <= timedelta(days=4)
    assert (await builds.claim(build, "run-3", stays_open=timedelta(days=9))).answer == ClaimAnswer.NOTHING


async def test_a_run_waits_for_a_cancel_that_is_wanted(builds: StoredBuilds) -> None:
    build = await builds.order()
    await builds.wish(build, Wish.CANCEL)
    assert (await builds.claim(build)).answer == ClaimAnswer.PARK
    assert (await builds.row(build.build_id)).status == BuildStatus.PENDING


# reports


async def test_notices_of_all_runs_are_kept_once_and_within_bounds(builds: StoredBuilds) -> None:
    build = await builds.running(at=10)
    await builds.report(build, BuildStatus.RUNNING, 20, 2, notices=("first", "second"))
    await builds.report(build, BuildStatus.RUNNING, 40, 3)
    assert (await builds.row(build.build_id)).notices == ["first", "second"]
    await builds.report(build, BuildStatus.RUNNING, 60, 4, notices=("second", "x" * 1000))
    assert (await builds.row(build.build_id)).notices == ["first", "second", "x" * 499 + "…"]
    await builds.report(build, BuildStatus.RUNNING, 80, 5, notices=tuple(str(number) for number in range(100)))
    assert len((await builds.row(build.build_id)).notices) == 20


async def test_entering_a_state_completes_those_before_it(builds: StoredBuilds) -> None:
    build = await builds.running(at=10)
    await builds.report(build, BuildStatus.RUNNING, 20, 2)
    assert await states(builds, build) == [(0, 1, "completed"), (10, 1, "completed"), (20, 1, "in_progress")]


async def test_one_report_repairs_all_that_were_lost(builds: StoredBuilds) -> None:
    build = await builds.order()
    await builds.claim(build)
    told: dict[str, Any] = {"artifacts": (SOURCE,), "variables": {"commit_sha": COMMIT, "image_id": "sha256:1"}}
    view = await builds.report(build, BuildStatus.RUNNING, 60, 9, **told)
    assert (view.status, view.is_current) == (BuildStatus.RUNNING, True)
    row = await builds.row(build.build_id)
    assert (row.current_state, row.commit_sha, row.docker_image_id) == (60, COMMIT, "sha256:1")
    artifacts = await builds.fetch("SELECT artifact_name, checksum, deleted_at FROM build_artifacts")
    assert artifacts == [{"artifact_name": "source_archive", "checksum": "ab" * 32, "deleted_at": None}]


async def test_a_repeated_or_late_report_changes_nothing(builds: StoredBuilds) -> None:
    build = await builds.running(at=10)
    await builds.report(build, BuildStatus.RUNNING, 20, 5)
    for seq in (5, 4):
        await builds.report(build, BuildStatus.RUNNING, 10, seq)
    assert (await builds.row(build.build_id)).current_state == 20
    assert [state[:2] for state in await states(builds, build)] == [(0, 1), (10, 1), (20, 1)]


async def test_an_artifact_that_is_made_again_takes_the_place_of_the_old_one(builds: StoredBuilds) -> None:
    build = await builds.running(at=20)
    for seq, checksum in ((2, "ab" * 32), (3, "ef" * 32)):
        again = SOURCE.model_copy(update={"checksum": checksum})
        await builds.report(build, BuildStatus.RUNNING, 20, seq, artifacts=(again,))
    assert await builds.fetch("SELECT checksum FROM build_artifacts") == [{"checksum": "ef" * 32}]


async def test_a_report_writes_no_artifact_that_is_as_it_was(builds: StoredBuilds) -> None:
    build = await builds.running()
    versions = []
    for seq, checksum in ((2, "ab"), (3, "ab"), (4, "cd")):
        artifact = SOURCE.model_copy(update={"checksum": checksum * 32})
        await builds.report(build, BuildStatus.RUNNING, 20, seq, artifacts=(artifact,))
        versions += await builds.fetch("SELECT xmin::text AS written_by, updated_at FROM build_artifacts")
    assert versions[0] == versions[1] != versions[2]


@pytest.mark.parametrize("status", [BuildStatus.RUNNING, BuildStatus.FAILED, BuildStatus.CANCELLED])
async def test_a_report_of_an_overtaken_run_is_refused(builds: StoredBuilds, status: BuildStatus) -> None:
    build = await builds.running(at=40)
    await builds.claim(build, "run-2")
    failure = BROKEN if status == BuildStatus.FAILED else None
    view = await builds.report(build, status, 60, 99, run_id="run-1", failure=failure)
    assert not view.is_current
    row = await builds.row(build.build_id)
    assert (row.status, row.current_state, row.run_id) == (BuildStatus.RUNNING, 40, "run-2")


async def test_a_report_of_another_generation_is_refused(builds: StoredBuilds) -> None:
    build = await builds.running()
    view = await builds.report(Ordered(1, build.build_id, 7, build.name), BuildStatus.RUNNING, 60, 9)
    assert not view.is_current
    assert (await builds.row(build.build_id)).current_state == 10


async def test_a_failure_is_fully_described(builds: StoredBuilds) -> None:
    build = await builds.failed(at=40)
    row = await builds.row(build.build_id)
    assert (row.status, row.current_state, row.error) == (BuildStatus.FAILED, 40, BROKEN.message)
    assert row.completed_at is not None
    [failure] = await builds.fetch("SELECT * FROM build_failures")
    assert (failure["state_code"], failure["error_code"], failure["failing_step"], failure["exit_code"]) == (
        40,
        "docker_build_failed",
        "Step 2/3 : RUN false",
        1,
    )
    assert (await states(builds, build))[-1] == (40, 1, "failed")
    assert (await builds.events(build))[-1] == "build.failed"


@pytest.mark.parametrize("status", [BuildStatus.RUNNING, BuildStatus.FAILED, BuildStatus.CANCELLED])
async def test_no_report_changes_a_build_that_has_ended(builds: StoredBuilds, status: BuildStatus) -> None:
    build = await builds.succeeded()
    failure = BROKEN if status == BuildStatus.FAILED else None
    view = await builds.report(build, status, 40, 99, failure=failure)
    assert view.status == BuildStatus.SUCCEEDED
    assert (await builds.row(build.build_id)).current_state == 100


async def test_a_run_that_takes_a_build_over_goes_on_with_the_same_attempt_at_its_state(builds: StoredBuilds) -> None:
    build = await builds.running(at=20)
    await builds.claim(build, "run-2")
    await builds.report(build, BuildStatus.RUNNING, 20, 1, run_id="run-2")
    assert (await states(builds, build))[1:] == [(20, 1, "in_progress")]


async def test_a_run_that_never_claimed_is_told_to_and_changes_nothing(builds: StoredBuilds) -> None:
    build = await builds.running(at=60)
    for status, more in ((BuildStatus.RUNNING, {}), (BuildStatus.FAILED, {"failure": BROKEN})):
        view = await builds.report(build, status, 20, 1, run_id="reset", **more)
        assert (view.must_claim, view.is_current) == (True, True)
    row = await builds.row(build.build_id)
    assert (row.status, row.current_state, row.run_id) == (BuildStatus.RUNNING, 60, "run-1")
    await builds.claim(build, "reset")
    assert not (await builds.report(build, BuildStatus.RUNNING, 60, 1, run_id="reset")).must_claim


async def test_going_back_gives_up_the_states_above(builds: StoredBuilds) -> None:
    build = await builds.running(at=60)
    await builds.report(build, BuildStatus.RUNNING, 40, 2)
    assert (await states(builds, build))[1:] == [(60, 1, "failed"), (40, 1, "in_progress")]
    assert (await builds.row(build.build_id)).current_state == 40


async def test_a_variable_keeps_its_newest_value(builds: StoredBuilds) -> None:
    build = await builds.running()
    await builds.report(build, BuildStatus.RUNNING, 20, 2, variables={"image_id": "sha256:1", "commit_sha": COMMIT})
    await builds.report(build, BuildStatus.RUNNING, 40, 3, variables={"image_id": "sha256:2", "commit_sha": COMMIT})
    found = await builds.fetch("SELECT variable_key, variable_value FROM build_variables ORDER BY variable_key")
    assert [(row["variable_key"], row["variable_value"]) for row in found] == [
        ("commit_sha", COMMIT),
        ("image_id", "sha256:2"),
    ]


# success


async def test_only_the_run_that_speaks_for_a_build_may_register_its_image(builds: StoredBuilds) -> None:
    build = await builds.running(at=90)
    await builds.claim(build, "run-2")
    assert not await builds.succeed(build, "run-1")
    assert await builds.succeed(build, "run-2")
    assert (await builds.row(build.build_id)).status == BuildStatus.SUCCEEDED


@pytest.mark.parametrize(
    "change",
    [
        "status = 'sleeping'",
        "current_state = 42",
        "current_state = 105",
        "priority = 0",
        "completed_at = now()",
        "generation = NULL",
        "kind = 'other'",
    ],
)
async def test_the_database_itself_refuses_what_no_build_can_be(builds: StoredBuilds, change: str) -> None:
    build = await builds.running()
    with pytest.raises(IntegrityError):
        await builds.fetch(f"UPDATE builds SET {change} WHERE id = :b RETURNING id", b=build.build_id)


async def test_the_database_itself_refuses_a_second_open_build_of_an_image(builds: StoredBuilds) -> None:
    await builds.failed("demo/hello")
    await builds.order("demo/hello")
    with pytest.raises(IntegrityError, match="builds_one_open_per_image"):
        await builds.fetch("UPDATE builds SET status = 'pending', completed_at = NULL RETURNING id")
