"""The client's words become the same log as the engine's own, and an outcome."""

import base64
import json
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.adapters.docker.buildx.account import ClientAccount
from activities.adapters.docker.plain.answer import EngineAnswer
from activities.adapters.docker.progress.status import TraceLog, TraceStatus, TraceVertex
from activities.ports.engine import EngineBuildRequest
from models.rules.errors.engine import DockerBuildFailed, EngineRefused, EngineUnreachable
from tests.support.engine.engine_traces import trace_line
from tests.support.fakes.engine_facts import NO_FACTS

REQUEST = EngineBuildRequest("id-1", "slipway/a:1", Path("/nowhere"), "Dockerfile", {}, {}, None)
STEP = TraceVertex("s", "[1/1] RUN make", started=1_000_000_001)
IMAGE = "sha256:" + "a" * 64


def account(folder: Path, image: str | None = None, secrets: Iterable[str] = ()) -> ClientAccount:
    metadata = folder / "metadata.json"
    if image is not None:
        metadata.write_text(json.dumps({"id-1": {"containerimage.digest": image}}))
    return ClientAccount(metadata, "id-1", secrets)


def line(status: TraceStatus) -> bytes:
    """One status as the client prints it."""
    vertexes = [
        {"digest": seen.digest, "name": seen.name}
        | ({"started": _moment(seen.started)} if seen.started else {})
        | ({"completed": _moment(seen.completed)} if seen.completed else {})
        | ({"cached": True} if seen.cached else {})
        | ({"error": seen.error} if seen.error else {})
        | ({"inputs": list(seen.inputs)} if seen.inputs else {})
        for seen in status.vertexes
    ]
    logs = [
        {"vertex": log.vertex, "stream": log.stream, "data": base64.b64encode(log.data).decode()} for log in status.logs
    ]
    told = ({"vertexes": vertexes} if vertexes else {}) | ({"logs": logs} if logs else {})
    return json.dumps(told).encode() + b"\n"


def _moment(nanoseconds: int) -> str:
    whole = datetime.fromtimestamp(nanoseconds // 10**9, UTC)
    fraction = f".{nanoseconds % 10**9:09d}".rstrip("0").rstrip(".")
    return f"{whole:%Y-%m-%dT%H:%M:%S}{fraction}Z"


digests = st.sampled_from(["a", "b", "c"])
moments = st.integers(1, 4_000_000_000_000_000_000)
vertexes = st.builds(
    TraceVertex,
    digest=digests,
    name=st.sampled_from(["[1/2] RUN one", "[2/2] COPY . .", "[internal] load metadata for x"]),
    cached=st.booleans(),
    started=moments | st.just(0),
    completed=moments | st.just(0),
    error=st.sampled_from(["", "exit code: 3", "context canceled"]),
    inputs=st.lists(digests, max_size=2).map(tuple),
)
logs = st.builds(TraceLog, vertex=digests, data=st.binary(min_size=1, max_size=40), stream=st.integers(1, 2))


statuses = st.builds(TraceStatus, st.lists(vertexes, max_size=3).map(tuple), st.lists(logs, max_size=3).map(tuple))


@given(st.lists(statuses))
def test_the_client_and_the_engine_itself_tell_the_same_log(statuses: list[TraceStatus]) -> None:
    told = [status for status in statuses if status.vertexes or status.logs]
    client, engine = ClientAccount(Path("/nowhere"), "id-1"), EngineAnswer()
    body = b"".join(trace_line(status.vertexes, status.logs) for status in told)
    by_engine = engine.feed(b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if body else b"0\r\n\r\n") + engine.finish()
    assert client.feed(b"".join(map(line, told))) + client.finish() == by_engine


@given(st.lists(st.binary(max_size=60)))
def test_whatever_the_client_says_it_is_an_account(pieces: list[bytes]) -> None:
    said = ClientAccount(Path("/nowhere"), "id-1")
    for piece in pieces:
        said.feed(piece)
    said.finish()
    assert said.failure(REQUEST, NO_FACTS) is not None


@pytest.mark.parametrize("cut", range(0, 60, 7))
def test_a_status_may_arrive_in_pieces(tmp_path: Path, cut: int) -> None:
    said = account(tmp_path, IMAGE)
    whole = line(TraceStatus((STEP,))) + line(TraceStatus(logs=(TraceLog("s", b"hello\n"),)))
    log = said.feed(whole[:cut]) + said.feed(whole[cut:]) + said.finish()
    assert log == b"Step 1/1 : RUN make\nhello\n"
    assert said.image_id == IMAGE
    assert said.is_whole
    assert said.failure(REQUEST, NO_FACTS) is None


def test_a_status_may_be_spread_over_lines(tmp_path: Path) -> None:
    said = account(tmp_path, IMAGE)
    statuses = (TraceStatus((STEP,)), TraceStatus(logs=(TraceLog("s", b"hello\n"),)))
    spread = b"".join(json.dumps(json.loads(line(status)), indent=2).encode() + b"\n" for status in statuses)
    assert said.feed(spread) + said.finish() == b"Step 1/1 : RUN make\nhello\n"
    assert said.log.log_loss is None


def failure_of(folder: Path, words: str) -> Exception | None:
    said = account(folder)
    said.feed(line(TraceStatus((STEP,))))
    said.feed(words.encode())
    said.finish()
    return said.failure(REQUEST, NO_FACTS)


def test_the_last_error_counts_all_its_lines(tmp_path: Path) -> None:
    words = "ERROR: not this\nDockerfile:1\n---\nERROR: failed to build: failed to solve: parse error\non line 3\n"
    assert "parse error on line 3" in str(failure_of(tmp_path, words))


def test_last_words_may_quote_anything(tmp_path: Path) -> None:
    said = account(tmp_path)
    said.feed(line(TraceStatus((STEP,))))
    said.feed(b'ERROR: failed to solve: process "/bin/sh -c f() \n{\n{}\n{"a"}\n}\n" failed: no such thing\n')
    said.finish()
    assert "no such thing" in str(said.failure(REQUEST, NO_FACTS))
    assert said.log.log_loss is None


@pytest.mark.parametrize(
    ("words", "error", "said"),
    [
        (
            "ERROR: Cannot connect to the Docker daemon at unix:///x. Is it running?",
            EngineUnreachable,
            "Cannot connect",
        ),
        ("ERROR: failed to solve: Unavailable: error reading from server: EOF", EngineUnreachable, "went away"),
        (
            "ERROR: failed to receive status: rpc error: code = Unavailable desc = error reading from server: EOF",
            EngineUnreachable,
            "went away",
        ),
        ("ERROR: failed to solve: Canceled: context canceled", EngineUnreachable, "nobody asked"),
        ('ERROR: invalid tag "a+b:1": invalid reference format', EngineRefused, "invalid reference format"),
        ("ERROR: failed to solve: no stage", DockerBuildFailed, "no stage"),
        ("", EngineUnreachable, "ended before"),
        ("panic: runtime error", EngineUnreachable, "ended before"),
    ],
)
def test_an_end_without_an_image_is_somebodys_fault(
    tmp_path: Path, words: str, error: type[Exception], said: str
) -> None:
    failure = failure_of(tmp_path, words)
    assert isinstance(failure, error)
    assert said in str(failure)


def test_a_step_that_speaks_like_a_lost_engine_is_the_dockerfiles_fault(tmp_path: Path) -> None:
    said = account(tmp_path)
    error = 'process "/bin/sh -c echo Unavailable" did not complete successfully: exit code: 3'
    said.feed(line(TraceStatus((TraceVertex("s", "[1/1] RUN make", started=1, completed=2, error=error),))))
    said.feed(f"ERROR: failed to solve: Unavailable: {error}\n".encode())
    said.finish()
    assert isinstance(said.failure(REQUEST, NO_FACTS), DockerBuildFailed)


def test_secrets_are_masked_in_errors_too(tmp_path: Path) -> None:
    said = account(tmp_path, secrets=["s3cret-value"])
    said.feed(b"ERROR: invalid tag s3cret-value\n")
    said.finish()
    assert "s3cret-value" not in str(said.failure(REQUEST, NO_FACTS))


def test_a_storm_of_empty_statuses_is_a_lost_log(tmp_path: Path) -> None:
    said = account(tmp_path)
    said.feed(b"{}\n" * 299)
    assert not said.is_stuck
    assert b"[output lost: " in said.feed(b"{}\n{}\n")
    assert said.is_stuck
    assert said.log.log_loss is not None


def test_a_step_that_fails_after_its_log_was_lost_is_told_by_its_exit_code(tmp_path: Path) -> None:
    said = account(tmp_path)
    said.feed(line(TraceStatus((STEP,))) + b"{}\n" * 400)
    said.feed(b"ERROR: failed to solve: executor failed running [/bin/sh -c make]: exit code: 3\n")
    said.finish()
    failure = said.failure(REQUEST, NO_FACTS)
    assert isinstance(failure, DockerBuildFailed)
    assert failure.detail == "Docker build failed: exit code 3 at a step of which the engine lost the log"
    assert failure.exit_code == 3


def test_single_empty_statuses_lose_nothing(tmp_path: Path) -> None:
    said = account(tmp_path)
    for _round in range(10):
        said.feed(b"{}\n" * 100 + line(TraceStatus((STEP,))))
    assert not said.is_stuck
    assert said.log.log_loss is None


def test_what_has_begun_is_running_until_it_is_said_to_have_ended(tmp_path: Path) -> None:
    said = account(tmp_path)
    said.feed(line(TraceStatus((STEP,))))
    assert said.has_running_steps
    said.feed(line(TraceStatus((TraceVertex("s", "[1/1] RUN make", started=1, completed=2, error="canceled"),))))
    assert not said.has_running_steps
