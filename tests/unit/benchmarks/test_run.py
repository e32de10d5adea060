"""A bench goes on where one thing cannot be measured, and keeps to its time."""

import asyncio
from datetime import timedelta

from benchmarks.api_client import NotMeasurable
from benchmarks.run import Measurement, measure_all
from benchmarks.table import Goal, Row, Series

HOUR = timedelta(hours=1)


def ignore(_line: str) -> None:
    return


async def measured() -> list[Row]:
    return [Row("fast", Series("ms", [1.0]))]


async def missed() -> list[Row]:
    return [Row("slow", Series("ms", [9.0]), goal=Goal("p95 < 1 ms", 1, 9, "ms"))]


async def broken() -> list[Row]:
    raise NotMeasurable("the build failed")


async def endless() -> list[Row]:
    await asyncio.Event().wait()
    return []


async def test_what_cannot_be_measured_is_named_and_the_rest_is_measured() -> None:
    report = await measure_all([Measurement("a", broken), Measurement("b", measured)], HOUR, ignore)
    assert [row.what for row in report.rows] == ["fast"]
    assert report.not_measured == {"a": "NotMeasurable: the build failed"}


async def test_a_missed_goal_is_a_row_and_no_failure() -> None:
    report = await measure_all([Measurement("a", missed)], HOUR, ignore)
    assert [row.what for row in report.rows] == ["slow"]
    assert not report.not_measured


async def test_each_measurement_keeps_to_its_time() -> None:
    lame = Measurement("lame", endless, longest=timedelta(milliseconds=10))
    report = await measure_all([lame, Measurement("b", measured)], HOUR, ignore)
    assert [row.what for row in report.rows] == ["fast"]
    assert report.not_measured == {"lame": "not done within 0 s"}


async def test_all_together_keep_to_theirs() -> None:
    report = await measure_all(
        [Measurement("a", endless), Measurement("b", endless)], timedelta(milliseconds=10), ignore
    )
    assert report.not_measured.keys() == {"a", "b"}
