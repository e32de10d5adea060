import asyncio

import pytest

from models.repositories.build.wishes import BuildWishes
from models.rules.build_lifecycle import BuildStatus, Wish
from models.rules.build_payloads import RequestedWish
from models.rules.errors.domain import InTheWay
from models.rules.errors.request import BuildStateConflict
from tests.support.builds.stored_builds import BROKEN, StoredBuilds, states

# pause and cancel


async def test_a_paused_build_enters_no_state_but_may_fail(builds: StoredBuilds) -> None:
    build = await builds.running(at=20)
    await builds.wish(build, Wish.PAUSE)
    view = await builds.report(build, BuildStatus.RUNNING, 40, 2)
    assert view.is_paused
    assert (await builds.row(build.build_id)).current_state == 20
    await builds.report(build, BuildStatus.FAILED, 20, 3, failure=BROKEN)
    assert (await builds.row(build.build_id)).status == BuildStatus.FAILED


async def test_a_build_whose_cancel_is_wanted_neither_goes_on_nor_fails(builds: StoredBuilds) -> None:
    build = await builds.running(at=20)
    await builds.wish(build, Wish.CANCEL)
    for status, failure in ((BuildStatus.RUNNING, None), (BuildStatus.FAILED, BROKEN)):
        view = await builds.report(build, status, 40, 9, failure=failure)
        assert (view.status, view.is_cancel_wanted) == (BuildStatus.RUNNING, True)
    assert (await builds.row(build.build_id)).current_state == 20


async def test_a_cancel_ends_the_build_and_leaves_a_receipt(builds: StoredBuilds) -> None:
    build = await builds.running(at=40)
    await builds.wish(build, Wish.CANCEL)
    await builds.report(build, BuildStatus.CANCELLED, 40, 2)
    row = await builds.row(build.build_id)
    assert (row.status, row.current_state, row.error) == (BuildStatus.CANCELLED, 40, "Build cancelled by temporal.")
    assert row.cancel_receipt is not None
    assert set(row.cancel_receipt) == {"by", "requested_at", "acknowledged_at"}
    assert (await states(builds, build))[-1] == (40, 1, "failed")
    assert (await builds.report(build, BuildStatus.CANCELLED, 40, 3)).status == BuildStatus.CANCELLED
    assert (await builds.events(build)).count("build.cancelled") == 1


async def test_a_run_that_never_spoke_may_say_cancelled_and_changes_only_the_status(builds: StoredBuilds) -> None:
    build = await builds.running(at=40)
    await builds.report(build, BuildStatus.CANCELLED, 0, 1, run_id="parked-run")
    row = await builds.row(build.build_id)
    assert (row.status, row.current_state, row.run_id, row.epoch) == (BuildStatus.CANCELLED, 40, "run-1", 1)


async def test_a_cancel_of_a_failed_build_closes_it(builds: StoredBuilds) -> None:
    build = await builds.failed()
    await builds.report(build, BuildStatus.CANCELLED, 0, 1, run_id="parked-run")
    row = await builds.row(build.build_id)
    assert (row.status, row.closed_reason) == (BuildStatus.FAILED, "cancelled while it waited to be resumed")
    assert not await builds.wish(build, Wish.RESUME)


async def test_a_cancel_that_comes_after_the_success_changes_nothing(builds: StoredBuilds) -> None:
    build = await builds.succeeded()
    assert not await builds.wish(build, Wish.CANCEL)
    assert (await builds.events(build))[-1] == "build.signal_refused"


async def test_success_and_cancel_at_once_leave_one_end(builds: StoredBuilds) -> None:
    for _round in range(5):
        build = await builds.running(at=90)
        await asyncio.gather(
            builds.succeed(build), builds.report(build, BuildStatus.CANCELLED, 90, 2), return_exceptions=True
        )
        ends = [event for event in await builds.events(build) if event in {"build.succeeded", "build.cancelled"}]
        assert ends == [f"build.{(await builds.row(build.build_id)).status}"]


# resume


async def test_a_resume_opens_the_build_again_where_it_failed(builds: StoredBuilds) -> None:
    build = await builds.failed(at=40)
    assert await builds.wish(build, Wish.RESUME)
    row = await builds.row(build.build_id)
    assert (row.status, row.resume_from, row.error, row.completed_at) == (BuildStatus.PENDING, 40, None, None)
    claimed = await builds.claim(build, "run-2")
    assert claimed.build is not None
    assert claimed.build.code == 40
    assert (await builds.row(build.build_id)).resume_from is None
    [failure] = await builds.fetch("SELECT resolved_at FROM build_failures")
    assert failure["resolved_at"] is not None


async def test_a_resume_from_an_earlier_state_goes_back_there(builds: StoredBuilds) -> None:
    build = await builds.failed(at=40)
    await builds.wish(build, Wish.RESUME, 20)
    claimed = await builds.claim(build, "run-2")
    assert claimed.build is not None
    assert claimed.build.code == 20


@pytest.mark.parametrize("state_code", [60, -5, 42])
async def test_a_resume_from_what_was_not_reached_is_refused(builds: StoredBuilds, state_code: int) -> None:
    build = await builds.failed(at=40)
    assert not await builds.wish(build, Wish.RESUME, state_code)
    assert (await builds.row(build.build_id)).status == BuildStatus.FAILED


async def test_a_resume_that_is_wished_again_is_the_same_resume(builds: StoredBuilds) -> None:
    build = await builds.failed()
    answers = await asyncio.gather(*(builds.wish(build, Wish.RESUME) for _wish in range(10)))
    assert answers == [True] * 10
    [asked] = await builds.fetch("SELECT count(*) AS times FROM events WHERE type LIKE 'build.resume%'")
    assert asked["times"] == 1
    assert not await builds.wish(build, Wish.RESUME, 10)  # another one than it waits for


async def test_every_wish_asks_for_delivery(builds: StoredBuilds) -> None:
    build = await builds.order()
    for version, wish in enumerate((Wish.PAUSE, Wish.UNPAUSE, Wish.CANCEL), start=2):
        await builds.wish(build, wish)
        assert await builds.fetch("SELECT version FROM dirty_keys") == [{"version": version}]


@pytest.mark.parametrize(("wish", "shown"), [(Wish.RESUME, "building"), (Wish.CANCEL, "success")])
async def test_a_wish_that_comes_too_late_names_what_it_met(builds: StoredBuilds, wish: Wish, shown: str) -> None:
    build = await (builds.running() if shown == "building" else builds.succeeded())
    async with builds.database.transaction() as session:
        with pytest.raises(BuildStateConflict) as refused:
            await BuildWishes(session).want(build.build_id, RequestedWish(wish=wish), "anonymous")
    assert refused.value.in_the_way == InTheWay(build.image_id, build.build_id, shown)
