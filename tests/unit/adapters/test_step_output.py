"""The log holds every byte that a step wrote, but for secrets and what the engine clipped."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.adapters.docker.progress.status import TraceLog, TraceStatus, TraceVertex
from activities.adapters.docker.progress.step_log import StepLog
from tests.support.engine.engine_traces import wrote
from tests.support.engine.step_statuses import BASE, COPY, LEFT, MAKE, RIGHT, announced, completed, rendered, started
from tests.support.fakes.clock import Clock
from tests.support.logs import outputs_of

MEBIBYTE = 1 << 20


def test_the_next_header_begins_a_line_although_the_step_did_not_end_its_last() -> None:
    statuses = [announced(BASE, COPY), started(BASE), wrote("base", b"no newline"), completed(BASE), started(COPY)]
    assert rendered(StepLog(), statuses).endswith(b"no newline\nStep 2/2 : COPY . /\n")


def test_output_that_switches_between_steps_repeats_the_header_after_a_newline() -> None:
    clock = Clock()
    log = StepLog(clock=clock)
    log.feed(announced(LEFT, RIGHT))
    assert log.feed(wrote("left", b"l1\nl2")) == b"Step 1/2 : RUN left\nl1\nl2"
    clock.now += 1
    assert log.feed(wrote("right", b"r1\n")) == b"\nStep 2/2 : RUN right\nr1\n"
    clock.now += 1
    assert log.feed(wrote("left", b"more\n")) == b"\nStep 1/2 : RUN left\nmore\n"


def test_steps_that_write_at_once_take_turns_of_whole_lines() -> None:
    clock = Clock()
    log = StepLog(clock=clock)
    text = log.feed(announced(LEFT, RIGHT))
    for number in range(40):  # a line of each every 50 ms
        text += log.feed(wrote("left", b"left %d\n" % number)) + log.feed(wrote("right", b"right "))
        clock.now += 0.05
        text += log.feed(wrote("right", b"%d\n" % number)) + log.due()
    text += log.finish()
    assert 4 <= text.count(b"Step ") <= 8
    assert all(line.startswith((b"left ", b"right ", b"Step ")) or not line for line in text.split(b"\n"))
    outputs = outputs_of(text)
    for side in (b"left", b"right"):
        wanted = b"".join(b"%b %d\n" % (side, number) for number in range(40))
        assert outputs[f"RUN {side.decode()}"] in (wanted, wanted + b"\n")


def test_a_line_waits_for_its_turn_only_as_long_as_a_turn_lasts() -> None:
    clock = Clock()
    log = StepLog(clock=clock)
    log.feed(announced(LEFT, RIGHT))
    log.feed(wrote("left", b"l1\n"))
    assert log.feed(wrote("right", b"r1\n")) == b""
    assert log.is_holding
    clock.now += 0.6
    assert log.feed(wrote("left", b"l2\n")) == b"\nStep 2/2 : RUN right\nr1\n"
    clock.now += 0.6
    assert log.due() == b"\nStep 1/2 : RUN left\nl2\n"
    assert not log.is_holding


def test_half_a_line_waits_longer_for_its_end_but_not_for_ever() -> None:
    clock = Clock()
    log = StepLog(clock=clock)
    log.feed(announced(LEFT, RIGHT))
    log.feed(wrote("left", b"l1\n"))
    log.feed(wrote("right", b"r1\nr"))
    clock.now += 0.6
    assert log.feed(wrote("left", b"l2\n")).endswith(b"\nr1\n")
    clock.now += 0.6
    assert log.due().endswith(b"\nl2\n")
    clock.now += 1.5
    assert log.due().endswith(b"Step 2/2 : RUN right\nr")


def test_no_more_than_some_kibibytes_wait_for_a_turn() -> None:
    log = StepLog(clock=Clock())
    log.feed(announced(LEFT, RIGHT))
    log.feed(wrote("left", b"l1\n"))
    much = b"r" * 1000 + b"\n"
    shown = b"".join(log.feed(wrote("right", much)) for _line in range(100))
    assert len(shown) > 30_000


def test_what_waits_for_its_turn_comes_when_its_step_ends() -> None:
    log = StepLog(clock=Clock())
    log.feed(announced(LEFT, RIGHT))
    log.feed(wrote("left", b"l1\n"))
    assert log.feed(wrote("right", b"r1\nr")) == b""
    assert log.feed(completed(RIGHT)) == b"\nStep 2/2 : RUN right\nr1\nr"
    assert log.feed(wrote("left", b"l2\n")) == b"\nStep 1/2 : RUN left\nl2\n"


def test_the_last_words_of_a_step_stand_before_the_step_that_follows_in_the_same_status() -> None:
    log = StepLog()
    log.feed(announced(BASE, COPY))
    log.feed(started(BASE))
    status = TraceStatus((*started(COPY).vertexes, *completed(BASE).vertexes), wrote("base", b"bye\n").logs)
    assert log.feed(status) == b"bye\nStep 2/2 : COPY . /\n"


@given(st.lists(st.tuples(st.sampled_from(["left", "right"]), st.binary(min_size=1, max_size=20))))
def test_each_steps_bytes_can_be_put_together_again(pieces: list[tuple[str, bytes]]) -> None:
    log = StepLog()
    text = rendered(log, [announced(LEFT, RIGHT), *(wrote(step, data) for step, data in pieces)])
    for step, name in (("left", "RUN left"), ("right", "RUN right")):
        wanted = b"".join(data for writer, data in pieces if writer == step)
        assert outputs_of(text).get(name, b"") in (wanted, wanted + b"\n")  # the last newline may be the log's


@given(st.binary())
def test_a_single_steps_output_is_whole_byte_for_byte(data: bytes) -> None:
    halves = wrote("make", data[: len(data) // 2]), wrote("make", data[len(data) // 2 :])
    assert rendered(StepLog(), [announced(MAKE), started(MAKE), *halves]) == b"Step 1/1 : RUN make\n" + data


def test_a_secret_is_masked_across_chunks_while_steps_interleave() -> None:
    log = StepLog(["s3cr3t-value"])
    statuses = [
        announced(LEFT, RIGHT),
        wrote("left", b"a s3cr"),
        wrote("right", b"b s3cr3t-"),
        wrote("left", b"3t-value\n"),
        wrote("right", b"value\n"),
    ]
    outputs = outputs_of(rendered(log, statuses))
    assert (outputs["RUN left"].rstrip(), outputs["RUN right"].rstrip()) == (b"a ******", b"b ******")


def test_a_secret_is_masked_in_headers_and_errors() -> None:
    log = StepLog(["s3cr3t-value"])
    vertex = TraceVertex("x", "[1/1] RUN curl s3cr3t-value")
    error = "executor failed running [/bin/sh -c curl s3cr3t-value]: exit code: 2"
    assert b"s3cr3t" not in log.feed(announced(vertex)) + log.feed(completed(vertex, error=error))
    assert "s3cr3t" not in str(log.failure(error))


def test_bytes_that_redaction_holds_back_come_out_when_the_step_ends() -> None:
    log = StepLog(["s3cr3t-value"])
    log.feed(announced(MAKE))
    assert log.feed(wrote("make", b"cats")) == b"Step 1/1 : RUN make\ncat"
    assert log.feed(completed(MAKE)) == b"s"


def test_output_of_a_step_that_was_never_announced_is_kept() -> None:
    assert rendered(StepLog(), [wrote("unknown", b"hello\n")]).endswith(b"\nhello\n")


def mark(limit: str) -> bytes:
    return f"\n[output clipped, log limit {limit} reached]\n".encode()


@pytest.mark.parametrize(
    ("before", "limit"),
    [(MEBIBYTE, "1MiB/s"), (3 * MEBIBYTE, "1MiB/s"), (200 << 10, "200KiB/s"), (2 * MEBIBYTE, "2MiB")],
)
def test_output_that_the_engine_clipped_is_said(before: int, limit: str) -> None:
    log = StepLog()
    rendered(log, [announced(MAKE), wrote("make", bytes(before - 100)), wrote("make", bytes(100) + mark(limit))])
    assert log.log_loss is not None
    assert "Step 1/1 : RUN make" in log.log_loss
    assert limit in log.log_loss


@pytest.mark.parametrize("before", [0, 5000, MEBIBYTE - 5000, MEBIBYTE + 5000])
def test_a_step_that_prints_the_engines_mark_itself_has_lost_nothing(before: int) -> None:
    log = StepLog()
    rendered(log, [announced(MAKE), wrote("make", bytes(before)), wrote("make", b"x" + mark("1MiB/s"))])
    assert log.log_loss is None


def test_an_engine_that_clips_everything_is_noticed() -> None:
    log = StepLog()
    rendered(log, [announced(MAKE), wrote("make", mark("-1B"))])
    assert log.log_loss is not None


def test_each_stream_of_a_step_has_a_limit_of_its_own() -> None:
    log = StepLog()
    errors = TraceLog("make", mark("1MiB/s"), stream=2)
    rendered(log, [announced(MAKE), wrote("make", bytes(MEBIBYTE)), TraceStatus(logs=(errors,))])
    assert log.log_loss is None


def test_a_lost_log_says_so_once_and_goes_on_under_a_new_header() -> None:
    log = StepLog()
    log.feed(announced(MAKE))
    log.feed(wrote("make", b"half a li"))
    assert log.lose("The engine lost it") == b"\n[output lost: The engine lost it]\n"
    assert log.lose("again") == b""
    assert log.feed(wrote("make", b"rest\n")) == b"Step 1/1 : RUN make\nrest\n"
    assert log.log_loss == "The engine lost it"
