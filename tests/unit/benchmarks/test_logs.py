"""How a bench reads logs: pace, wholeness, and the age of lines."""

import pytest

from benchmarks.api_client import LogPart
from benchmarks.measures.latency import StampReader
from benchmarks.measures.logs import PacedLog, flaw_of
from benchmarks.sources import LINE_BYTES, numbered_lines, stamping_lines, writing_lines

STORED = b"Step 1/2 : FROM busybox:1.36\nStep 2/2 : RUN awk\n" + numbered_lines(100)


def test_numbered_lines_have_the_length_that_paces_count_with() -> None:
    assert len(numbered_lines(3)) == 3 * LINE_BYTES


def test_a_whole_log_has_no_flaw() -> None:
    assert flaw_of(STORED, STORED, 100) == ""


def test_a_log_that_lacks_a_line_is_not_whole() -> None:
    clipped = STORED.replace(numbered_lines(50)[-LINE_BYTES:], b"")
    assert flaw_of(clipped, clipped, 100) == "the log is not whole: 99 of 100 lines are stored"


def test_a_stream_that_brought_less_than_is_stored_is_not_whole() -> None:
    assert flaw_of(STORED[:-80], STORED, 100) == f"the stream brought {len(STORED) - 80:,} bytes of {len(STORED):,}"


def test_lines_are_counted_by_the_second_they_came_in() -> None:
    log = PacedLog([LogPart(b"a\nb\n", 10.0), LogPart(b"c\n", 10.9), LogPart(b"d\n", 11.5), LogPart(b"e\n", 12.1)])
    assert log.lines_by_second == [3, 1]
    assert log.lines_a_second == pytest.approx(5 / 2.1)


def test_the_age_of_a_line_is_counted_from_the_time_that_it_says() -> None:
    reader = StampReader()
    reader.feed(b"Step 2/2 : RUN touch\nat 1970-01-01 00:00:01.2500", 1.5)
    reader.feed(b"00000 +0000\nat 1970-01-01 00:00:01.750000000 +0000\n", 2.0)
    assert reader.milliseconds == [pytest.approx(750), pytest.approx(250)]


@pytest.mark.parametrize("dockerfile", [writing_lines(10, 5000, "one"), stamping_lines(10, "one")])
def test_a_release_makes_a_step_that_no_cache_knows(dockerfile: str) -> None:
    assert [line.split(" ")[:3] for line in dockerfile.splitlines()] == [["FROM", "busybox:1.36"], ["RUN", ":", "one;"]]
