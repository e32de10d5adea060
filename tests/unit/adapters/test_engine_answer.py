"""The engine's answer means the same however the socket cuts it into pieces."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.adapters.docker.plain.answer import EngineAnswer
from activities.adapters.docker.plain.connection import ChunkedBody
from activities.adapters.docker.progress.status import TraceLog, TraceVertex
from models.rules.errors.engine import EngineUnreachable
from tests.support.engine.engine_traces import trace_line

LINES = (
    trace_line([TraceVertex("s", "[1/1] RUN make", started=True)]),
    trace_line([], [TraceLog("s", b"one\n"), TraceLog("s", b"two\n")]),
    b'{"aux":{"ID":"sha256:abc"},"id":"moby.image.id"}\r\n',
    b'{"stream":"Successfully tagged x\\n"}\r\n',
    trace_line([], [TraceLog("s", b"three\n")]),
)
RAW = b"".join(b"%x\r\n%b\r\n" % (len(line), line) for line in LINES) + b"0\r\n\r\n"


@given(st.lists(st.integers(0, len(RAW)), max_size=12))
def test_an_answer_reads_the_same_in_any_pieces(cuts: list[int]) -> None:
    answer = EngineAnswer()
    borders = [0, *sorted(cuts), len(RAW)]
    log = b"".join(answer.feed(RAW[start:end]) for start, end in itertools.pairwise(borders))
    assert log + answer.finish() == b"Step 1/1 : RUN make\none\ntwo\nthree\n"
    assert answer.is_whole
    assert (answer.image_id, answer.error) == ("sha256:abc", None)


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=8), st.integers(1, 7))
def test_chunked_framing_comes_off(chunks: list[bytes], piece: int) -> None:
    raw = b"".join(b"%X;extension=1\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    body = ChunkedBody()
    assert b"".join(body.feed(raw[at : at + piece]) for at in range(0, len(raw), piece)) == b"".join(chunks)
    assert body.is_whole


def test_an_answer_that_broke_off_is_not_whole() -> None:
    answer = EngineAnswer()
    answer.feed(RAW[:-5])
    assert not answer.is_whole


def test_bytes_that_are_no_http_are_a_lost_engine() -> None:
    with pytest.raises(EngineUnreachable):
        ChunkedBody().feed(b"what is this?\r\n")
