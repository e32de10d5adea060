"""What was measured, and how it is shown: one row a figure, beside the raw thing of the same run."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from rich import box
from rich.console import Console
from rich.table import Table

Unit = Literal["ms", "MB", "builds/s", "lines/s"]
_RATES = frozenset({"builds/s", "lines/s"})
_CAPTION = "p95, p99: 95 and 99 of 100 were at least as good. Beside raw: medians; a rate as a share of the raw rate."
_PLAIN_WIDTH = 400  # no terminal to fit into: a row is a line


@dataclass(frozen=True)
class Series:
    """Values of one kind, at least one. Of a rate, more is better; of everything else, less."""

    unit: Unit
    values: Sequence[float]

    @property
    def is_rate(self) -> bool:
        return self.unit in _RATES

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def worst(self) -> float:
        return min(self.values) if self.is_rate else max(self.values)

    def percentile(self, share: float) -> float:
        """Return a measured value that this percentage of all values reach or are better than (nearest rank)."""
        ordered = sorted(self.values, reverse=self.is_rate)
        return ordered[max(math.ceil(len(ordered) * share / 100), 1) - 1]


@dataclass(frozen=True)
class Raw:
    """The raw thing, measured in the same run."""

    what: str
    series: Series


@dataclass(frozen=True)
class Goal:
    """What was wanted, and what came. `flaw` is what spoils a figure that looks good, as a sentence."""

    words: str
    limit: float
    actual: float
    unit: str
    is_at_least: bool = False
    flaw: str = ""

    @property
    def is_met(self) -> bool:
        is_within = self.actual >= self.limit if self.is_at_least else self.actual <= self.limit
        return is_within and not self.flaw

    @property
    def verdict(self) -> str:
        if self.flaw:
            return f"missed: {self.flaw}"
        shown = shown_value(self.actual, self.unit)
        if self.is_met:
            return f"✓ {shown}"
        by = abs(self.actual - self.limit)
        return f"missed by {shown_value(by, self.unit)} ({by / self.limit:.0%}): {shown}"


@dataclass(frozen=True)
class Row:
    what: str
    series: Series
    raw: Raw | None = None
    goal: Goal | None = None

    @property
    def beside_raw(self) -> str:
        if self.raw is None:
            return ""
        mine, raw = self.series.median, self.raw.series.median
        factor = f"{mine / raw:.2f}x" if raw else ""
        if self.series.is_rate:
            return factor
        difference = mine - raw
        return f"{'+' if difference >= 0 else '-'}{shown_value(abs(difference), self.series.unit)}, {factor}"

    def as_json(self) -> dict[str, Any]:
        return {
            "what": self.what,
            "unit": self.series.unit,
            **_figures(self.series),
            "raw": {"what": self.raw.what, **_figures(self.raw.series)} if self.raw else None,
            "beside_raw": self.beside_raw,
            "goal": self.goal.words if self.goal else None,
            "actual": self.goal.actual if self.goal else None,
            "is_met": self.goal.is_met if self.goal else None,
            "verdict": self.goal.verdict if self.goal else None,
        }


def limit_on(share: float, limit: float, series: Series) -> Goal:
    """Return the goal that a percentile stays below a limit."""
    words = f"p{share:.0f} < {shown_value(limit, series.unit)}"
    return Goal(words, limit, series.percentile(share), series.unit)


def shown_value(value: float, unit: str) -> str:
    if unit == "ms" and value >= 10_000:
        return f"{value / 1000:,.1f} s"
    digits = 0 if value >= 100 or value == 0 else 1 if value >= 10 else 2
    return f"{value:,.{digits}f} {unit}".rstrip()


def show(rows: Sequence[Row], title: str, console: Console) -> None:
    """Print the table: for eyes at a terminal, else as Markdown, ready for an issue."""
    plain = not console.is_terminal
    table = Table(title=title, caption=_CAPTION, box=box.MARKDOWN if plain else box.ROUNDED, show_lines=not plain)
    table.add_column("measured")
    for name in ("n", "median", "p95", "p99"):
        table.add_column(name, justify="right")
    table.add_column("raw, in the same run")
    table.add_column("raw median", justify="right")
    for name in ("beside raw", "goal", "met"):
        table.add_column(name)
    for row in rows:
        table.add_row(*_cells(row))
    if plain:
        Console(file=console.file, width=_PLAIN_WIDTH, color_system=None).print(table, soft_wrap=True)
    else:
        console.print(table)


def _cells(row: Row) -> tuple[str, ...]:
    series, goal = row.series, row.goal
    unit = series.unit
    figures = (series.median, series.percentile(95), series.percentile(99))
    return (
        row.what,
        str(len(series.values)),
        *(shown_value(figure, unit) for figure in figures),
        row.raw.what if row.raw else "",
        shown_value(row.raw.series.median, unit) if row.raw else "",
        row.beside_raw,
        goal.words if goal else "",
        goal.verdict if goal else "",
    )


def _figures(series: Series) -> dict[str, float | int]:
    figures = {"median": series.median, "p95": series.percentile(95), "p99": series.percentile(99)}
    return {"n": len(series.values), **{name: round(value, 3) for name, value in figures.items()}}
