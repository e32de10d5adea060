"""The ends of builds that chaos calls broken, and those that it does not."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chaos.deeds import Victim
from chaos.invariants import Fault, wrong_end

ENDED = datetime(2026, 1, 1, tzinfo=UTC)
BEFORE, AFTER = ENDED - timedelta(minutes=1), ENDED + timedelta(minutes=1)


def build(status: str, **changes: Any) -> dict[str, Any]:
    row: dict[str, Any] = {
        "status": status,
        "completed_at": ENDED,
        "closed_at": None,
        "error": None,
        "current_state": 40,
    }
    return row | changes


def victim(**done: Any) -> Victim:
    return Victim({"name": "demo", "build_id": "1"}, **done)


@pytest.mark.parametrize(
    ("row", "suffered"),
    [
        (build("succeeded"), victim()),
        (build("failed"), victim(is_broken=True)),
        (build("failed"), victim(is_terminated=True)),
        (build("succeeded"), victim(is_terminated=True)),
        (build("cancelled"), victim(cancelled_at=BEFORE)),
        (build("failed", closed_at=ENDED), victim(cancelled_at=BEFORE)),
        (build("succeeded"), victim(cancelled_at=AFTER)),
    ],
)
def test_an_end_that_was_wanted_is_no_fault(row: dict[str, Any], suffered: Victim) -> None:
    assert list(wrong_end(row, suffered)) == []


@pytest.mark.parametrize(
    ("row", "suffered", "fault"),
    [
        (build("running", completed_at=None), victim(), Fault.STUCK),
        (build("pending", completed_at=None), victim(cancelled_at=BEFORE), Fault.STUCK),
        (build("failed"), victim(), Fault.LOST),
        (build("cancelled"), victim(), Fault.LOST),
        (build("succeeded"), victim(is_broken=True), Fault.LOST),
        (build("succeeded"), victim(cancelled_at=BEFORE), Fault.CANCEL_LOST),
        (build("failed"), victim(cancelled_at=BEFORE), Fault.CANCEL_LOST),
    ],
)
def test_an_end_that_nobody_wanted_is_a_fault(row: dict[str, Any], suffered: Victim, fault: Fault) -> None:
    assert [found for found, _sentence in wrong_end(row, suffered)] == [fault]
