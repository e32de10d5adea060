"""The table that `make bench` prints: what its figures mean, and what it says of goals."""

import io

import pytest
from rich.console import Console

from benchmarks.table import Goal, Raw, Row, Series, limit_on, show

HUNDRED = Series("ms", [float(number) for number in range(100, 0, -1)])


def printed(*rows: Row) -> list[list[str]]:
    """Return the cells of the table that goes to a file."""
    file = io.StringIO()
    show(rows, "title", Console(file=file))
    lines = [line for line in file.getvalue().splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


@pytest.mark.parametrize(("share", "value"), [(50, 50), (95, 95), (99, 99), (100, 100)])
def test_a_percentile_of_times_is_a_measured_time_that_so_many_do_not_exceed(share: int, value: int) -> None:
    assert HUNDRED.percentile(share) == value


def test_a_percentile_of_rates_is_a_rate_that_so_many_reach() -> None:
    rates = Series("lines/s", [5000.0] * 9 + [4000.0])
    assert rates.percentile(90) == 5000
    assert rates.percentile(95) == 4000
    assert rates.worst == 4000


def test_one_value_is_its_own_median_and_percentile() -> None:
    one = Series("ms", [7.0])
    assert (one.median, one.percentile(95), one.percentile(99)) == (7, 7, 7)


def test_a_goal_that_is_met_says_what_came() -> None:
    goal = limit_on(95, 300, HUNDRED)
    assert goal.is_met
    assert (goal.words, goal.verdict) == ("p95 < 300 ms", "✓ 95.0 ms")


def test_a_goal_that_is_missed_says_by_how_much() -> None:
    goal = limit_on(99, 50, HUNDRED)
    assert not goal.is_met
    assert goal.verdict == "missed by 49.0 ms (98%): 99.0 ms"


def test_a_goal_from_below_is_missed_by_what_lacks() -> None:
    goal = Goal("≥ 0.5 of bare", 0.5, 0.4, "", is_at_least=True)
    assert goal.verdict == "missed by 0.10 (20%): 0.40"


def test_a_flaw_spoils_a_good_figure() -> None:
    goal = Goal("≥ 5,000 lines/s, none lost", 5000, 6000, "lines/s", is_at_least=True, flaw="3 lines are missing")
    assert not goal.is_met
    assert goal.verdict == "missed: 3 lines are missing"


@pytest.mark.parametrize(
    ("mine", "raw", "words"),
    [
        (Series("ms", [300.0]), Series("ms", [200.0]), "+100 ms, 1.50x"),
        (Series("ms", [150.0]), Series("ms", [200.0]), "-50.0 ms, 0.75x"),
        (Series("builds/s", [4.0]), Series("builds/s", [8.0]), "0.50x"),
    ],
)
def test_times_stand_beside_raw_as_a_difference_and_rates_as_a_share(mine: Series, raw: Series, words: str) -> None:
    assert Row("something", mine, Raw("bare", raw)).beside_raw == words


def test_the_table_for_a_file_is_one_line_a_row_in_markdown() -> None:
    row = Row("a name that is long " * 5, HUNDRED, Raw("by hand", Series("ms", [25.0])), limit_on(95, 300, HUNDRED))
    head, rule, cells = printed(row)
    assert head[:5] == ["measured", "n", "median", "p95", "p99"]
    assert all(set(cell) == {"-"} for cell in rule)
    assert cells[1:5] == ["100", "50.5 ms", "95.0 ms", "99.0 ms"]
    assert cells[5:] == ["by hand", "25.0 ms", "+25.5 ms, 2.02x", "p95 < 300 ms", "✓ 95.0 ms"]


def test_a_row_without_raw_and_goal_has_all_cells() -> None:
    _head, _rule, cells = printed(Row("alone", HUNDRED))
    assert len(cells) == 10
    assert cells[5:] == ["", "", "", "", ""]


def test_json_holds_the_figures_and_whether_the_goal_is_met() -> None:
    told = Row("x", HUNDRED, Raw("bare", Series("ms", [25.0])), limit_on(95, 90, HUNDRED)).as_json()
    assert (told["n"], told["p95"], told["raw"]["median"], told["is_met"]) == (100, 95, 25, False)
