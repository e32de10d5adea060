from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.rules.build_lifecycle import (
    ENDED,
    FINISHED,
    IMAGE_STATUS,
    OPEN,
    TRANSITIONS,
    BuildFacts,
    BuildStatus,
    ClaimAnswer,
    ImageStatus,
    StateCode,
    Wish,
    advance,
    answer_claim,
    check_wish,
    may_succeed,
    state_to_resume_from,
)
from models.rules.errors.request import BuildStateConflict

STATUSES = st.sampled_from(BuildStatus)
FACTS = st.builds(
    BuildFacts,
    status=STATUSES,
    is_closed=st.booleans(),
    is_cancel_wanted=st.booleans(),
    open_for=st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=14)),
)


@given(st.sampled_from(sorted(FINISHED)), STATUSES)
def test_nothing_leaves_a_finished_status(finished: BuildStatus, wanted: BuildStatus) -> None:
    with pytest.raises(BuildStateConflict):
        advance(finished, wanted)


@given(STATUSES, STATUSES)
def test_a_change_of_status_is_allowed_exactly_when_the_table_has_it(current: BuildStatus, wanted: BuildStatus) -> None:
    if wanted in TRANSITIONS[current]:
        assert advance(current, wanted) == wanted
    else:
        with pytest.raises(BuildStateConflict, match=f"is {current} cannot become {wanted}"):
            advance(current, wanted)


@given(STATUSES, st.lists(STATUSES, max_size=20))
def test_no_sequence_of_changes_leaves_success_or_cancel(start: BuildStatus, wishes: list[BuildStatus]) -> None:
    status, was_finished = start, start in FINISHED
    for wanted in wishes:
        if wanted in TRANSITIONS[status]:
            assert not was_finished
            status = advance(status, wanted)
            was_finished = status in FINISHED


def test_a_failed_build_leaves_its_status_by_a_resume_only() -> None:
    assert TRANSITIONS[BuildStatus.FAILED] == {BuildStatus.PENDING}


def test_success_follows_running_only() -> None:
    before = {status for status, following in TRANSITIONS.items() if BuildStatus.SUCCEEDED in following}
    assert before == {BuildStatus.RUNNING}


def test_every_status_has_its_place() -> None:
    assert set(BuildStatus) == set(TRANSITIONS) == set(IMAGE_STATUS) == OPEN | ENDED
    assert not OPEN & ENDED


def test_pollers_who_stop_on_success_or_failed_stop_at_every_end() -> None:
    for status in ENDED:
        assert IMAGE_STATUS[status] in {ImageStatus.SUCCESS, ImageStatus.FAILED}
    for status in OPEN:
        assert IMAGE_STATUS[status] not in {ImageStatus.SUCCESS, ImageStatus.FAILED}


def test_states_are_steps_of_five_from_queued_to_complete() -> None:
    codes = [int(code) for code in StateCode]
    assert codes == sorted(codes)
    assert (codes[0], codes[-1]) == (0, 100)
    assert not [code for code in codes if code % 5]


@given(FACTS)
def test_a_run_is_given_work_only_for_an_open_build_that_nobody_wants_cancelled(facts: BuildFacts) -> None:
    is_wanted = facts.status in OPEN and not facts.is_closed and not facts.is_cancel_wanted
    assert (answer_claim(facts) == ClaimAnswer.WORK) == is_wanted


@given(FACTS)
def test_a_finished_or_closed_build_ends_its_run(facts: BuildFacts) -> None:
    if facts.is_closed or facts.status in FINISHED:
        assert answer_claim(facts) == ClaimAnswer.NOTHING


@given(STATUSES.filter(lambda status: status in OPEN))
def test_a_run_waits_for_a_cancel_that_is_wanted_but_not_delivered_yet(status: BuildStatus) -> None:
    assert answer_claim(BuildFacts(status, is_cancel_wanted=True)) == ClaimAnswer.PARK


def test_a_stray_poke_parks_a_failed_build_again_and_never_restarts_it() -> None:
    failed = BuildFacts(BuildStatus.FAILED, open_for=timedelta(seconds=1))
    assert answer_claim(failed) == ClaimAnswer.PARK


def test_a_failed_build_whose_time_has_passed_ends_its_run() -> None:
    assert answer_claim(BuildFacts(BuildStatus.FAILED, open_for=timedelta(0))) == ClaimAnswer.NOTHING


@given(FACTS)
def test_only_a_failed_build_that_is_not_closed_can_be_resumed(facts: BuildFacts) -> None:
    if facts.status == BuildStatus.FAILED and not facts.is_closed:
        check_wish(facts, Wish.RESUME)
    else:
        with pytest.raises(BuildStateConflict, match="Only a failed build can be resumed"):
            check_wish(facts, Wish.RESUME)


@given(FACTS, st.sampled_from([Wish.CANCEL, Wish.PAUSE, Wish.UNPAUSE]))
def test_only_an_open_build_can_be_cancelled_or_paused(facts: BuildFacts, wish: Wish) -> None:
    if facts.status in OPEN and not facts.is_closed:
        check_wish(facts, wish)
    else:
        with pytest.raises(BuildStateConflict, match=f"takes no {wish}"):
            check_wish(facts, wish)


@given(FACTS)
def test_an_image_is_registered_only_for_a_running_build_that_nobody_wants_cancelled(facts: BuildFacts) -> None:
    is_wanted = facts.status == BuildStatus.RUNNING and not facts.is_closed and not facts.is_cancel_wanted
    assert may_succeed(facts) == is_wanted


@given(FACTS)
def test_what_may_succeed_has_work_to_do(facts: BuildFacts) -> None:
    if may_succeed(facts):
        assert answer_claim(facts) == ClaimAnswer.WORK


@given(st.sampled_from(StateCode), st.integers())
def test_a_build_is_resumed_from_a_state_that_it_reached(failed: StateCode, wanted: int) -> None:
    if 0 <= wanted <= failed and wanted % 5 == 0:
        assert state_to_resume_from(failed, wanted) == wanted
    else:
        with pytest.raises(BuildStateConflict, match=f"failed at state {int(failed)}"):
            state_to_resume_from(failed, wanted)


@given(st.sampled_from(StateCode))
def test_a_build_goes_on_where_it_failed_unless_told_otherwise(failed: StateCode) -> None:
    assert state_to_resume_from(failed, None) == failed
