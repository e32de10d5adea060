"""Rounds that were played are not played again, and what was broken in them is shown."""

import io
from pathlib import Path

from rich.console import Console

from chaos.invariants import Fault
from chaos.record import Record
from chaos.rounds import Outcome

BROKEN = Outcome(["kill worker for 3 s"], [(Fault.TWICE, "demo: state 20"), (Fault.STUCK, "demo: running at state 40")])


def test_who_goes_on_has_what_was_played(tmp_path: Path) -> None:
    file = tmp_path / "rounds.json"
    first = Record(file, 7)
    assert not first.has("cancel", 1)
    first.keep("cancel", 1, Outcome(["cancel demo"]))
    later = Record(file, None)
    assert (later.seed, later.has("cancel", 1), later.has("cancel", 2)) == (7, True, False)
    assert later.is_whole


def test_another_seed_begins_anew(tmp_path: Path) -> None:
    file = tmp_path / "rounds.json"
    Record(file, 7).keep("cancel", 1, BROKEN)
    assert not Record(file, 7).is_whole
    assert Record(file, 8).is_whole
    assert not Record(file, 8).has("cancel", 1)


def test_the_table_counts_what_was_broken_and_names_its_rounds(tmp_path: Path) -> None:
    record = Record(tmp_path / "rounds.json", 7)
    record.keep("kill-worker", 7000, BROKEN)
    record.keep("kill-worker", 7001, Outcome())
    shown = io.StringIO()
    Console(width=200, file=shown).print(record.table(["kill-worker"]))
    row = next(line for line in shown.getvalue().splitlines() if "kill-worker" in line)
    assert row.replace("│", " ").split() == ["kill-worker", "2", "0", "1", "1", "0", "0", "7000"]
