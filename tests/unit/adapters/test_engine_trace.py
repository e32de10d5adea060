"""The engine's trace is read as BuildKit writes it."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.adapters.docker.plain.trace import TraceMalformed, decode_status
from activities.adapters.docker.progress.status import TraceLog, TraceStatus, TraceTransfer, TraceVertex
from tests.support.engine.engine_traces import encode_status

# Recorded from an engine of version 20.10: a line of a step, and the step as it fails.
STEP = "sha256:b89dd2343755b071c4151ae3171b3de5a354f7c312780891bdbab985c2398e20"
RECORDED_LOG = (
    "Gl4KR3NoYTI1NjpiODlkZDIzNDM3NTViMDcxYzQxNTFhZTMxNzFiM2RlNWEzNTRmN2MzMTI3ODA4OTFiZGJhYjk4NWMyMzk4ZTIwEgwI35+G2AYQ"
    "1die4AEYASIDaGkK"
)
RECORDED_FAILURE = (
    "CrICCkdzaGEyNTY6Yjg5ZGQyMzQzNzU1YjA3MWM0MTUxYWUzMTcxYjNkZTVhMzU0ZjdjMzEyNzgwODkxYmRiYWI5ODVjMjM5OGUyMBJHc2hhMjU2"
    "OjY5NjFiMjE0M2YwY2JiMTgwYWZmNTc2ZTk0MmM3NTEyNjI5NTViMzM2OGQ4MWRiOGNkYTQ4YjI5MDVmMmUxMTcaLFsyLzJdIFJVTiBzbGVlcCAw"
    "LjA1OyBlY2hvIGhpOyBleGl0IDMgIyA0NWIyKgsI35+G2AYQmbqUeDIMCN+fhtgGELGWlvIBOlVleGVjdXRvciBmYWlsZWQgcnVubmluZyBbL2Jp"
    "bi9zaCAtYyBzbGVlcCAwLjA1OyBlY2hvIGhpOyBleGl0IDMgIyA0NWIyXTogZXhpdCBjb2RlOiAz"
)
BASE = "sha256:6961b2143f0cbb180aff576e942c751262955b3368d81db8cda48b2905f2e117"
MOMENTS = st.integers(0, 2 * 10**18)


def test_what_a_real_engine_wrote_is_read() -> None:
    assert decode_status(base64.b64decode(RECORDED_LOG)).logs == (TraceLog(STEP, b"hi\n", stream=1),)
    (failed,) = decode_status(base64.b64decode(RECORDED_FAILURE)).vertexes
    command = "sleep 0.05; echo hi; exit 3 # 45b2"
    error = f"executor failed running [/bin/sh -c {command}]: exit code: 3"
    assert (failed.started, failed.completed) == (1795264479251993369, 1795264479507874097)
    assert failed == TraceVertex(
        STEP, f"[2/2] RUN {command}", False, failed.started, failed.completed, error, inputs=(BASE,)
    )


@given(
    st.builds(
        TraceVertex, st.text(), st.text(), st.booleans(), MOMENTS, MOMENTS, st.text(), st.tuples(st.text(), st.text())
    ),
    st.builds(TraceLog, st.text(), st.binary(), st.integers(1, 2)),
)
def test_every_field_that_the_log_needs_is_read(vertex: TraceVertex, log: TraceLog) -> None:
    assert decode_status(encode_status([vertex], [log])) == TraceStatus((vertex,), (log,))


def test_an_empty_status_is_one_without_news() -> None:
    assert decode_status(b"") == TraceStatus()


def test_names_that_are_no_utf8_are_shown_as_well_as_possible() -> None:
    name = b"[2/2] RUN echo \xff"
    vertex = b"\x1a" + bytes([len(name)]) + name
    status = decode_status(b"\x0a" + bytes([len(vertex)]) + vertex)
    assert status.vertexes[0].name == "[2/2] RUN echo \N{REPLACEMENT CHARACTER}"


def test_how_far_a_transfer_is_is_known() -> None:
    layer = b"\x0a\x05layer\x12\x01v\x20\x7f"
    status = decode_status(b"\x12" + bytes([len(layer)]) + layer)
    assert status == TraceStatus(transfers=(TraceTransfer("v", "layer", 127),))


def test_fields_of_newer_engines_are_skipped() -> None:
    warning = b"\x22\x05later"
    assert decode_status(warning) == TraceStatus()


@given(st.binary(max_size=200))
def test_bytes_that_are_no_trace_are_said_to_be_none(raw: bytes) -> None:
    try:
        decode_status(raw)
    except TraceMalformed:
        return


@pytest.mark.parametrize("raw", [b"\x0a", b"\x0a\x05ab", b"\xff\xff\xff", b"not a protobuf message"])
def test_damaged_traces_raise_the_error_that_names_them(raw: bytes) -> None:
    with pytest.raises(TraceMalformed):
        decode_status(raw)
