"""The log tells of every step under a header, and which of them failed."""

import pytest

from activities.adapters.docker.progress.status import TraceStatus, TraceVertex
from activities.adapters.docker.progress.step_log import StepLog
from tests.support.engine.engine_traces import wrote
from tests.support.engine.step_statuses import BASE, COPY, LEFT, MAKE, RIGHT, announced, completed, rendered, started


def test_steps_are_numbered_over_all_stages_and_open_with_a_header() -> None:
    statuses = [announced(BASE, LEFT, RIGHT), started(BASE), completed(BASE), started(LEFT), wrote("left", b"hi\n")]
    assert rendered(StepLog(), statuses) == (
        b"Step 1/3 : FROM docker.io/library/busybox:1.36\nStep 2/3 : RUN left\nhi\n"
    )


def test_a_silent_step_shows_its_header_when_it_begins() -> None:
    log = StepLog()
    log.feed(announced(BASE, COPY, MAKE))
    assert log.feed(started(MAKE)) == b"Step 3/3 : RUN make\n"


def test_the_steps_of_one_stage_are_in_order_even_when_the_engine_shuffles_them() -> None:
    log = StepLog()
    log.feed(announced(MAKE, LEFT, BASE, COPY))
    assert log.feed(started(MAKE)) == b"Step 4/4 : RUN make\n"
    assert log.feed(started(BASE)).endswith(b"Step 1/4 : FROM docker.io/library/busybox:1.36\n")
    assert log.feed(started(LEFT)).endswith(b"Step 2/4 : RUN left\n")


def test_padded_step_names_are_steps() -> None:
    log = StepLog()
    log.feed(announced(TraceVertex("a", "[stage-0  2/12] RUN a"), TraceVertex("b", "[ 3/12] RUN b")))
    assert log.progress.steps == 2


def test_what_the_engine_does_for_itself_is_no_step() -> None:
    log = StepLog()
    internal = TraceVertex("i", "[internal] load build context", started=True, completed=True)
    assert log.feed(announced(internal)) == b""
    assert log.progress.steps == 0


def test_cached_steps_say_so() -> None:
    statuses = [announced(BASE, COPY), completed(BASE), completed(COPY, cached=True), completed(COPY, cached=True)]
    assert rendered(StepLog(), statuses).endswith(b"Step 2/2 : COPY . /\n ---> Using cache\n")


def failing_copy(error: str) -> tuple[TraceStatus, TraceVertex, TraceVertex]:
    """What an engine says when a copy fails before the steps above it have run: they are cached from that moment."""
    one = TraceVertex("one", "[2/4] RUN one", True, 900, 900, inputs=("base",))
    two = TraceVertex("two", "[3/4] RUN two", True, 900, 900, inputs=("one",))
    nope = TraceVertex("nope", "[4/4] COPY nope /", False, 900, 902, error, inputs=("two",))
    base = TraceVertex("base", "[1/4] FROM busybox", False, 500, 600)
    return announced(base, one, two, nope), one, two


def test_steps_above_a_copy_that_failed_first_did_not_run() -> None:
    log = StepLog()
    status, _one, _two = failing_copy('"/nope" not found: not found')
    assert log.feed(status) == (
        b"Step 1/4 : FROM busybox\nStep 2/4 : RUN one\n ---> Did not run\nStep 3/4 : RUN two\n ---> Did not run\n"
        b"Step 4/4 : COPY nope /\n"
    )
    assert log.progress.step == 2


def test_a_failing_copy_that_is_told_in_two_parts_still_tells_what_did_not_run() -> None:
    log = StepLog()
    status, one, two = failing_copy("")
    base, *_others, nope = status.vertexes
    halves = announced(base, one, two, TraceVertex(nope.digest, nope.name, started=900, inputs=nope.inputs))
    text = log.feed(halves) + log.feed(announced(TraceVertex(nope.digest, nope.name, False, 900, 902, "not found")))
    assert b"Step 3/4 : RUN two\n ---> Did not run\n" in text
    assert b"Using cache" not in text


def test_what_a_cached_step_builds_on_is_cached_as_well() -> None:
    one = TraceVertex("one", "[2/3] RUN one", True, 900, 900, inputs=("base",))
    two = TraceVertex("two", "[3/3] RUN two", True, 900, 950, inputs=("one",))
    text = StepLog().feed(announced(TraceVertex("base", "[1/3] FROM busybox", False, 500, 600), one, two))
    assert text.count(b" ---> Using cache\n") == 2


@pytest.mark.parametrize("circle", [["a"], ["a", "b"], [f"v{number}" for number in range(1000)]], ids=len)
def test_steps_that_build_on_each_other_in_a_circle_or_a_long_row_are_told(circle: list[str]) -> None:
    inner = [
        TraceVertex(
            digest, f"[stage {number}/{len(circle)}] RUN {digest}", True, 900, 900, inputs=(circle[number - 2],)
        )
        for number, digest in enumerate(circle, 1)
    ]
    text = StepLog().feed(announced(*inner))
    assert text.count(b" ---> ") in {0, len(circle)}


def test_a_step_that_failed_itself_came_after_cached_ones() -> None:
    one = TraceVertex("one", "[1/2] RUN one", True, 900, 900)
    error = "executor failed running [/bin/sh -c false]: exit code: 1"
    text = StepLog().feed(announced(one, TraceVertex("two", "[2/2] RUN false", False, 900, 999, error, ("one",))))
    assert b" ---> Using cache\n" in text


@pytest.mark.parametrize(
    ("digits", "code"), [("137", 137), ("9" * 9, 999_999_999), ("9" * 10, None), ("9" * 5000, None)]
)
def test_an_exit_code_that_no_program_has_is_none(digits: str, code: int | None) -> None:
    log = StepLog()
    error = f"exit code: {digits}"  # a frontend of the Dockerfile's own choice words its errors itself
    log.feed(announced(TraceVertex("run", "[1/1] RUN odd", False, 1, 2, error)))
    failure = log.failure(error)
    assert failure is not None
    assert failure.exit_code == code


def test_a_step_that_runs_is_not_cached_whatever_the_engine_takes_it_for() -> None:
    log = StepLog()
    run = TraceVertex("run", "[1/2] RUN slow", started=700)
    log.feed(announced(run, TraceVertex("nope", "[2/2] COPY nope /")))
    assumed = TraceVertex("run", run.name, True, 900, 900)
    failed = TraceVertex("nope", "[2/2] COPY nope /", False, 900, 902, "not found", ("run",))
    text = log.feed(announced(assumed, failed)) + log.feed(wrote("run", b"done\n")) + log.feed(completed(run))
    assert b"Using cache" not in text
    assert b"Did not run" not in text
    assert text.endswith(b"Step 1/2 : RUN slow\ndone\n")


def test_what_a_step_builds_on_is_numbered_before_it() -> None:
    final = TraceVertex("final", "[stage-1 2/2] COPY --from=build /a /", inputs=("start", "run"))
    start = TraceVertex("start", "[stage-1 1/2] FROM busybox")
    run = TraceVertex("run", "[build 2/2] RUN make", inputs=("base",))
    log = StepLog()
    log.feed(announced(final, start, run, TraceVertex("base", "[build 1/2] FROM golang")))
    for vertex, number in ((start, 1), (run, 3), (final, 4)):
        assert f"Step {number}/4 : ".encode() in log.feed(started(vertex))


def test_vertexes_of_one_name_are_one_step() -> None:
    name = "[2/2] ADD http://example.test/a /"
    download, copy = TraceVertex("d", name), TraceVertex("c", name, inputs=("b", "d"))
    base = TraceVertex("b", "[1/2] FROM busybox")
    statuses = [announced(download, copy, base), started(download), wrote("d", b"x\n"), completed(download)]
    text = rendered(StepLog(), [*statuses, completed(copy)])
    assert text == b"Step 2/2 : ADD http://example.test/a /\nx\n"


def test_a_command_of_many_lines_has_a_header_of_one() -> None:
    log = StepLog()
    log.feed(announced(TraceVertex("x", "[2/2] RUN <<EOF\r\necho a\n\techo \x1b[31mb\x00\nEOF")))
    assert log.feed(started(TraceVertex("x", ""))) == b"Step 1/1 : RUN <<EOF echo a echo [31mb EOF\n"


def test_progress_counts_the_steps_that_have_begun_and_shows_the_last_line() -> None:
    log = StepLog()
    assert (log.progress.step, log.progress.steps) == (0, 0)
    log.feed(announced(BASE, COPY, MAKE))
    log.feed(started(BASE))
    log.feed(wrote("make", b"10%\r20%\r\x1b[32mhalf\x1b[0m done\x00\r\n\n"))
    assert (log.progress.step, log.progress.steps, log.progress.last_line) == (2, 3, "half done")


def test_the_failing_step_and_its_exit_code_are_known() -> None:
    log = StepLog()
    error = "executor failed running [/bin/sh -c make]: exit code: 7"
    rendered(log, [announced(BASE, COPY, MAKE), completed(BASE), completed(MAKE, error=error)])
    failure = log.failure(error)
    assert failure is not None
    assert (failure.step, failure.exit_code) == ("Step 3/3 : RUN make", 7)


def test_a_step_that_was_ended_because_another_failed_is_not_blamed() -> None:
    log = StepLog()
    ended = "executor failed running [/bin/sh -c left]: exit code: 137: context canceled: context canceled"
    error = "executor failed running [/bin/sh -c echo context canceled; false]: exit code: 1"
    rendered(log, [announced(LEFT, RIGHT), completed(LEFT, error=ended), completed(RIGHT, error=error)])
    failure = log.failure(error)
    assert failure is not None
    assert failure.step == "Step 2/2 : RUN right"
