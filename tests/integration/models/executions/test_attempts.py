import asyncio

import pytest

from models.postgres.database import Database
from models.repositories.execution import ExecutionEnd, ExecutionRepository
from models.repositories.log.facts import LogFacts, WrittenLog
from models.repositories.progress import ProgressRepository
from models.rules.build_lifecycle import BuildStatus, Wish
from models.rules.errors.engine import BuildCancelled, DockerBuildFailed, ExecutionLost, NoFreeSlot
from tests.support.builds.fenced_executions import BUILDER, DONE, Fence, described, expire, token_of
from tests.support.builds.stored_builds import BROKEN, Ordered, StoredBuilds


async def attempts_at_building(builds: StoredBuilds, build: Ordered) -> list[tuple[int, str]]:
    rows = await builds.fetch(
        "SELECT attempt, status FROM build_states WHERE build_id = :b AND state_code = 40 ORDER BY attempt",
        b=build.build_id,
    )
    return [(row["attempt"], row["status"]) for row in rows]


async def test_a_live_attempt_is_joined_wherever_it_runs(builds: StoredBuilds, fence: Fence) -> None:
    for name in ("host-1", "host-2"):
        await fence.register(described(name, slots=1))
    build = await builds.running(at=40)
    answers = await asyncio.gather(*(fence.open(build, f"host-{1 + n % 2}") for n in range(10)))
    assert sum(is_new for _execution, is_new in answers) == 1
    assert len({execution.token for execution, _is_new in answers}) == 1
    assert (await builds.row(build.build_id)).attempt == 1


async def test_an_attempt_whose_lease_ran_out_is_lost_and_the_next_one_takes_its_place(
    builds: StoredBuilds, fence: Fence
) -> None:
    await fence.register(described())
    build = await builds.running(at=40)
    first, _is_new = await fence.open(build)
    await expire(builds, first)
    second, is_new = await fence.open(build)
    assert is_new
    assert (second.attempt, token_of(second) > token_of(first)) == (2, True)
    assert (await fence.read(first)).outcome == "lost"
    assert await attempts_at_building(builds, build) == [(1, "failed"), (2, "in_progress")]
    with pytest.raises(ExecutionLost):
        await fence.end(first)
    await fence.end(second)
    current = await fence.current(build)
    assert current is not None
    assert current.token == second.token


async def test_an_end_counts_after_the_lease_while_nobody_gave_the_attempt_up(
    builds: StoredBuilds, fence: Fence
) -> None:
    report = described()
    await fence.register(report)
    execution, _is_new = await fence.open(await builds.running(at=40))
    await expire(builds, execution)
    await fence.end(execution)
    assert (await fence.read(execution)).outcome == "succeeded"
    assert await fence.beat(report, execution) == []


@pytest.mark.parametrize(
    ("end", "taken"),
    [
        (DONE, "succeeded"),
        (ExecutionEnd("failed", error=DockerBuildFailed("no")), "failed"),
        (ExecutionEnd("cancelled", error=BuildCancelled("ended")), None),
        (ExecutionEnd("lost", error=BuildCancelled("ended")), None),
    ],
    ids=["succeeded", "failed", "cancelled, which nobody wanted", "lost"],
)
async def test_what_an_attempt_came_to_since_the_state_was_entered_is_taken_and_not_done_again(
    builds: StoredBuilds, fence: Fence, end: ExecutionEnd, taken: str | None
) -> None:
    await fence.register(described())
    build = await builds.running(at=40)
    ended, _is_new = await fence.open(build)
    await fence.end(ended, end)
    answer, is_new = await fence.open(build)
    assert (answer.outcome, is_new) == (taken, taken is None)
    assert (answer.token == ended.token) == (taken is not None)


async def test_an_attempt_that_was_cancelled_as_wanted_is_taken_as_that(builds: StoredBuilds, fence: Fence) -> None:
    await fence.register(described())
    build = await builds.running(at=40)
    ended, _is_new = await fence.open(build)
    await builds.wish(build, Wish.CANCEL)
    await fence.end(ended, ExecutionEnd("cancelled", error=BuildCancelled("ended")))
    answer, is_new = await fence.open(build)
    assert (answer.token, is_new) == (ended.token, False)


async def test_a_run_that_takes_a_build_over_goes_on_with_what_the_state_came_to(
    builds: StoredBuilds, fence: Fence
) -> None:
    await fence.register(described())
    build = await builds.running(at=40)
    ended, _is_new = await fence.open(build)
    await fence.end(ended)
    await builds.claim(build, "run-2")
    await builds.report(build, BuildStatus.RUNNING, 40, 1, run_id="run-2")
    answer, is_new = await fence.open(build, run_id="run-2")
    assert (answer.token, is_new) == (ended.token, False)
    assert await attempts_at_building(builds, build) == [(1, "in_progress")]


@pytest.mark.parametrize("way", ["resumed", "image gone", "source gone"])
async def test_a_state_that_is_entered_again_is_worked_on_again(builds: StoredBuilds, fence: Fence, way: str) -> None:
    await fence.register(described())
    build = await builds.running(at=40)
    ended, _is_new = await fence.open(build)
    await fence.end(ended)
    run_id, seq = "run-1", 4
    if way == "resumed":
        run_id, seq = "run-2", 1
        await builds.report(build, BuildStatus.RUNNING, 60, 2)
        await builds.report(build, BuildStatus.FAILED, 60, 3, failure=BROKEN)
        await builds.wish(build, Wish.RESUME, 40)
        await builds.claim(build, run_id)
    elif way == "image gone":
        await builds.report(build, BuildStatus.RUNNING, 60, 2)
    else:
        await builds.report(build, BuildStatus.RUNNING, 20, 2)
    await builds.report(build, BuildStatus.RUNNING, 40, seq, run_id=run_id)
    _again, is_new = await fence.open(build, run_id=run_id)
    assert is_new


async def test_what_a_builder_holds_is_live_whatever_became_of_its_lease(builds: StoredBuilds, fence: Fence) -> None:
    await fence.register(described(slots=1))
    build, other = await builds.running(at=40), await builds.running(at=40)
    execution, _is_new = await fence.open(build)
    await expire(builds, execution)
    held = {token_of(execution)}
    assert (await fence.open(build, held=held))[0].token == execution.token
    with pytest.raises(NoFreeSlot):
        await fence.open(other, held=held)


async def test_nobody_takes_over_while_builders_may_be_coming_back(builds: StoredBuilds, fence: Fence) -> None:
    for name in ("host-1", "host-2"):
        await fence.register(described(name))
    build = await builds.running(at=40)
    execution, _is_new = await fence.open(build, "host-1")
    await expire(builds, execution)
    with pytest.raises(NoFreeSlot):
        await fence.open(build, "host-2", may_take_over=False)
    assert (await fence.read(execution)).outcome is None
    assert (await fence.open(build, "host-2"))[1]


async def test_an_opening_that_its_builder_did_not_hear_of_is_closed(builds: StoredBuilds, fence: Fence) -> None:
    for name in ("host-1", "host-2"):
        await fence.register(described(name))
    unheard, held, elsewhere = [
        (await fence.open(await builds.running(at=40), name))[0] for name in ("host-1", "host-1", "host-2")
    ]
    assert await fence.close_unheld("host-1", held) == []  # it may be on its way
    for execution in (unheard, held, elsewhere):
        await expire(builds, execution)
    closed = await fence.close_unheld("host-1", held)
    assert [execution.token for execution in closed] == [unheard.token]
    assert (await fence.read(unheard)).outcome == "lost"


async def test_an_attempt_ends_once(builds: StoredBuilds, fence: Fence) -> None:
    await fence.register(described())
    execution, _is_new = await fence.open(await builds.running(at=40))
    answers = await asyncio.gather(*(fence.end(execution) for _end in range(5)), return_exceptions=True)
    assert sum(answer is None for answer in answers) == 1


async def test_a_failed_attempt_keeps_what_failed(builds: StoredBuilds, fence: Fence) -> None:
    await fence.register(described())
    build = await builds.running(at=40)
    execution, _is_new = await fence.open(build)
    error = DockerBuildFailed("Docker build failed.", failing_step="Step 2/3 : RUN false", exit_code=1)
    await fence.end(execution, ExecutionEnd("failed", error=error), WrittenLog(7, "x" * 5000, "The engine clipped it."))
    kept = await fence.read(execution)
    assert (kept.outcome, kept.error_code, kept.failing_step, kept.exit_code) == (
        "failed",
        "docker_build_failed",
        "Step 2/3 : RUN false",
        1,
    )
    assert (kept.log_bytes, len(kept.log_tail or ""), kept.log_loss) == (7, 4000, "The engine clipped it.")
    assert (await builds.events(build))[-2:] == ["build.log_incomplete", "build.attempt_ended"]


async def test_an_attempt_keeps_what_is_to_be_said_of_it(builds: StoredBuilds, fence: Fence) -> None:
    await fence.register(described())
    execution, _is_new = await fence.open(await builds.running(at=40))
    assert execution.notices == []
    await fence.end(execution, ExecutionEnd("succeeded", notices=("Git LFS.", "Git LFS.", "a\0b")))
    assert (await fence.read(execution)).notices == ["Git LFS.", "a\ufffdb"]


async def test_what_postgres_cannot_hold_as_text_is_replaced_and_the_end_is_kept(
    builds: StoredBuilds, fence: Fence
) -> None:
    await fence.register(described())
    execution, _is_new = await fence.open(await builds.running(at=40))
    error = DockerBuildFailed("no \x00", failing_step="Step 1/1 : RUN \x00\ud800", exit_code=1)
    await fence.end(execution, ExecutionEnd("failed", error=error), WrittenLog(2, "a\x00"))
    kept = await fence.read(execution)
    assert (kept.log_tail, kept.error, kept.failing_step) == ("a\ufffd", "no \ufffd", "Step 1/1 : RUN \ufffd\ufffd")


async def test_the_first_attempt_after_a_resume_is_no_second_try_at_the_state(
    builds: StoredBuilds, fence: Fence
) -> None:
    await fence.register(described())
    build = await builds.running(at=40)
    execution, _is_new = await fence.open(build)
    await fence.end(execution, ExecutionEnd("failed", error=DockerBuildFailed("no")))
    await builds.report(build, BuildStatus.FAILED, 40, 2, failure=BROKEN)
    await builds.wish(build, Wish.RESUME)
    await builds.claim(build, "run-2")
    await builds.report(build, BuildStatus.RUNNING, 40, 1, run_id="run-2")
    again, _is_new = await fence.open(build, run_id="run-2")
    assert again.attempt == 2
    assert await attempts_at_building(builds, build) == [(1, "failed"), (2, "in_progress")]


@pytest.mark.parametrize("end", ["overtaken", "cancelled"])
async def test_no_attempt_begins_for_a_run_that_no_longer_speaks_for_the_build(
    builds: StoredBuilds, fence: Fence, end: str
) -> None:
    await fence.register(described())
    build = await builds.running(at=40)
    if end == "overtaken":
        await builds.claim(build, "run-2")
    else:
        await builds.report(build, BuildStatus.CANCELLED, 40, 2)
    with pytest.raises(ExecutionLost):
        await fence.open(build)


async def test_an_ended_attempts_log_waits_until_it_is_kept_as_an_object(
    database: Database, builds: StoredBuilds, fence: Fence
) -> None:
    await fence.register(described())
    ended, _is_new = await fence.open(await builds.running(at=40))
    await fence.open(await builds.running(at=40))
    await fence.end(ended)
    async with database.transaction() as session:
        logs = LogFacts(session)
        assert [execution.token for execution in await logs.unkept(BUILDER)] == [ended.token]
        await logs.keep(token_of(ended), key="logs/x/1.log.zst", sha256="ab" * 32, size_bytes=10)
        assert await logs.unkept(BUILDER) == []


async def test_progress_is_the_newest_that_was_shown(database: Database, builds: StoredBuilds, fence: Fence) -> None:
    await fence.register(described())
    build = await builds.running(at=40)
    for step in (1, 2):
        async with database.transaction() as session:
            await ProgressRepository(session).show(build.build_id, 1, step=step, steps=3, last_line=f"line {step}")
    [shown] = await builds.fetch("SELECT step, steps, last_line FROM build_progress")
    assert shown == {"step": 2, "steps": 3, "last_line": "line 2"}


async def test_the_images_of_builds_that_may_go_on_are_not_swept(database: Database, builds: StoredBuilds) -> None:
    running, failed = await builds.running(at=40), await builds.failed()
    done, closed = await builds.succeeded(), await builds.failed("demo/superseded")
    await builds.order("demo/superseded")
    ids = [build.build_id for build in (running, failed, done, closed)]
    async with database.transaction() as session:
        unfinished = await ExecutionRepository(session).unfinished_builds(ids)
    assert unfinished == {running.build_id, failed.build_id}
