"""Measuring one thing after the other; what cannot be measured is said, and the rest goes on."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from benchmarks.table import Row

Say = Callable[[str], None]


@dataclass(frozen=True)
class Measurement:
    name: str
    measure: Callable[[], Awaitable[list[Row]]]
    longest: timedelta = timedelta(minutes=4)


@dataclass
class Report:
    """What came out: rows, and why others are missing, by name."""

    rows: list[Row] = field(default_factory=list)
    not_measured: dict[str, str] = field(default_factory=dict)


async def measure_all(measurements: Sequence[Measurement], longest: timedelta, say: Say) -> Report:
    """Measure each, within its own time and that of all together."""
    report = Report()
    deadline = time.monotonic() + longest.total_seconds()
    for number, measurement in enumerate(measurements, start=1):
        began = time.monotonic()
        limit = min(measurement.longest.total_seconds(), deadline - began)
        say(f"[{number}/{len(measurements)}] {measurement.name} …")
        try:
            async with asyncio.timeout(limit):
                report.rows += await measurement.measure()
        except TimeoutError:
            report.not_measured[measurement.name] = f"not done within {limit:.0f} s"
        except Exception as error:  # noqa: BLE001 - the outermost line of a loop: the others can still be measured
            report.not_measured[measurement.name] = f"{type(error).__name__}: {error}"
        why = report.not_measured.get(measurement.name)
        say(f"      not measured: {why}" if why else f"      {time.monotonic() - began:.0f} s")
    return report
