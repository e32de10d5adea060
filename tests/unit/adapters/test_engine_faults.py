"""What becomes of a build when the engine breaks off, refuses, loses its log or never ends."""

import itertools
from datetime import timedelta
from pathlib import Path

import pytest

from activities.adapters.docker.engine import DockerEngine
from activities.adapters.docker.progress.status import TraceLog, TraceVertex
from activities.ports.engine import EngineBuild, EngineBuildRequest
from models.rules.errors.engine import BuildCancelled, DockerBuildFailed, EngineRefused, EngineUnreachable
from tests.support.engine.engine_traces import trace_line
from tests.support.fakes.engine import EMPTY_TRACE, IMAGE_ID, IMAGE_LINE, Answer, FakeEngine, fake_engine
from tests.support.waiting import until

STEP = TraceVertex("s", "[1/2] RUN loud", started=True)
LATER = TraceVertex("t", "[2/2] RUN later", started=True)
BEGUN = trace_line([STEP], [TraceLog("s", b"hello\n")])
HUNDRED_EMPTY = EMPTY_TRACE * 100


async def start(engine: DockerEngine, folder: Path, context_bytes: int = 0) -> EngineBuild:
    context, work = folder / "context", folder / "work"
    context.mkdir()
    work.mkdir()
    (context / "Dockerfile").write_text("FROM scratch\n")
    (context / "large").write_bytes(bytes(context_bytes))
    request = EngineBuildRequest("id-1", "slipway/attempt:1", context, "Dockerfile", {}, {}, None)
    return await engine.start_build(request, work)


def built(answer: Answer, _engine: FakeEngine) -> None:
    answer.begin()
    answer.write(BEGUN)
    answer.write(IMAGE_LINE)
    answer.write(trace_line([], [TraceLog("s", b"last words\n")]))
    answer.end()


async def test_the_log_is_read_to_its_end_which_follows_the_image(tmp_path: Path) -> None:
    with fake_engine(tmp_path, built) as fake:
        engine = DockerEngine(fake.url)
        build = await start(engine, tmp_path)
        outcome = await build.result()
        assert (outcome.image_id, outcome.log_loss) == (IMAGE_ID, None)
        assert build.log_path.read_bytes() == b"Step 1/1 : RUN loud\nhello\nlast words\n"
        engine.close()


async def test_an_answer_that_breaks_off_is_a_lost_engine(tmp_path: Path) -> None:
    def broken(answer: Answer, _engine: FakeEngine) -> None:
        answer.begin()
        answer.write(BEGUN)
        answer.write_raw(b"ffff\r\nhalf a chu")

    with fake_engine(tmp_path, broken) as fake:
        engine = DockerEngine(fake.url)
        build = await start(engine, tmp_path)
        for _repeat in range(2):
            with pytest.raises(EngineUnreachable, match="went away in the middle"):
                await build.result()
        assert build.log_path.read_bytes().endswith(b"hello\n")
        engine.close()


async def test_an_answer_that_ends_properly_without_an_image_is_a_lost_engine_too(tmp_path: Path) -> None:
    def without_image(answer: Answer, _engine: FakeEngine) -> None:
        answer.begin()
        answer.write(BEGUN)
        answer.end()

    with fake_engine(tmp_path, without_image) as fake:
        engine = DockerEngine(fake.url)
        with pytest.raises(EngineUnreachable):
            await (await start(engine, tmp_path)).result()
        engine.close()


async def test_an_answer_that_breaks_off_after_the_image_is_a_success_with_a_hole(tmp_path: Path) -> None:
    def cut_late(answer: Answer, _engine: FakeEngine) -> None:
        answer.begin()
        answer.write(BEGUN + IMAGE_LINE)

    with fake_engine(tmp_path, cut_late) as fake:
        engine = DockerEngine(fake.url)
        build = await start(engine, tmp_path)
        outcome = await build.result()
        assert outcome.image_id == IMAGE_ID
        assert outcome.log_loss is not None
        assert b"[output lost: " in build.log_path.read_bytes()
        engine.close()


async def test_a_build_that_ends_with_an_error_after_a_stop_of_the_engine_is_not_the_dockerfiles_fault(
    tmp_path: Path,
) -> None:
    def stopped(answer: Answer, _engine: FakeEngine) -> None:
        answer.begin()
        answer.write(BEGUN + b'{"errorDetail":{"message":"context canceled"},"error":"context canceled"}\r\n')
        answer.end()

    with fake_engine(tmp_path, stopped) as fake:
        engine = DockerEngine(fake.url)
        with pytest.raises(EngineUnreachable, match="nobody asked"):
            await (await start(engine, tmp_path)).result()
        engine.close()


@pytest.mark.parametrize(
    ("status", "error"),
    [(400, EngineRefused), (500, EngineRefused), (502, EngineUnreachable), (503, EngineUnreachable)],
)
async def test_a_refusal_is_passed_on_in_the_engines_words(tmp_path: Path, status: int, error: type[Exception]) -> None:
    with fake_engine(tmp_path, lambda answer, _engine: answer.refuse(status, "so it is")) as fake:
        engine = DockerEngine(fake.url)
        with pytest.raises(error, match=f"answered {status}: so it is"):
            await (await start(engine, tmp_path)).result()
        engine.close()


async def test_a_refusal_in_the_middle_of_the_context_is_understood(tmp_path: Path) -> None:
    with fake_engine(tmp_path, lambda answer, _engine: answer.refuse(400, "no such builder")) as fake:
        fake.reads_context = False
        engine = DockerEngine(fake.url)
        with pytest.raises(EngineRefused, match="no such builder"):
            await (await start(engine, tmp_path, context_bytes=8 * 1024 * 1024)).result()
        engine.close()


async def test_an_engine_that_hangs_up_without_an_answer_is_unreachable(tmp_path: Path) -> None:
    with fake_engine(tmp_path, lambda _answer, _engine: None) as fake:
        engine = DockerEngine(fake.url)
        with pytest.raises(EngineUnreachable):
            await (await start(engine, tmp_path)).result()
        engine.close()


def endless(answer: Answer, engine: FakeEngine) -> None:
    """Lose the log, build the image after a while, and never end."""
    answer.begin()
    answer.write(BEGUN)
    for count in itertools.count():
        answer.write(HUNDRED_EMPTY)
        engine.has_image = engine.has_image or count == 200


async def test_a_build_whose_log_the_engine_loses_ends_when_its_image_is_there(tmp_path: Path) -> None:
    with fake_engine(tmp_path, endless) as fake:
        engine = DockerEngine(fake.url)
        build = await start(engine, tmp_path)
        outcome = await build.result()
        assert outcome.image_id == IMAGE_ID
        assert outcome.log_loss is not None
        assert "BUILDKIT_STEP_LOG_MAX_SPEED" in outcome.log_loss
        log = build.log_path.read_bytes()
        assert log.startswith(b"Step 1/1 : RUN loud\nhello\n[output lost: ")
        assert log.count(b"\n") == 3
        await until(fake.client_hung_up.is_set)
        engine.close()


async def test_an_image_that_is_announced_among_empty_traces_ends_the_build(tmp_path: Path) -> None:
    def announced(answer: Answer, _engine: FakeEngine) -> None:
        answer.begin()
        answer.write(BEGUN + HUNDRED_EMPTY * 10)
        answer.write(IMAGE_LINE)
        while True:
            answer.write(HUNDRED_EMPTY)

    with fake_engine(tmp_path, announced) as fake:
        engine = DockerEngine(fake.url)
        assert (await (await start(engine, tmp_path)).result()).log_loss is not None
        engine.close()


async def test_a_lost_log_that_comes_back_is_read_on(tmp_path: Path) -> None:
    def comes_back(answer: Answer, _engine: FakeEngine) -> None:
        answer.begin()
        answer.write(BEGUN + HUNDRED_EMPTY * 10)
        answer.write(trace_line([LATER], [TraceLog("t", b"here again\n")]))
        answer.write(IMAGE_LINE)
        answer.end()

    with fake_engine(tmp_path, comes_back) as fake:
        engine = DockerEngine(fake.url)
        build = await start(engine, tmp_path)
        assert (await build.result()).log_loss is not None
        assert build.log_path.read_bytes().endswith(b"Step 2/2 : RUN later\nhere again\n")
        engine.close()


async def test_some_empty_traces_are_nothing_to_speak_of(tmp_path: Path) -> None:
    def quiet(answer: Answer, engine: FakeEngine) -> None:
        answer.begin()
        answer.write(HUNDRED_EMPTY)
        answer.write(BEGUN + IMAGE_LINE)
        answer.end()

    with fake_engine(tmp_path, quiet) as fake:
        engine = DockerEngine(fake.url)
        assert (await (await start(engine, tmp_path)).result()).log_loss is None
        engine.close()


async def test_a_build_that_fails_after_its_log_was_lost_ends_when_patience_does(tmp_path: Path) -> None:
    def hopeless(answer: Answer, _engine: FakeEngine) -> None:
        answer.begin()
        while True:
            answer.write(HUNDRED_EMPTY)

    with fake_engine(tmp_path, hopeless) as fake:
        engine = DockerEngine(fake.url, stuck_patience=timedelta(milliseconds=300))
        with pytest.raises(EngineRefused, match="lost this build's log"):
            await (await start(engine, tmp_path)).result()
        engine.close()


async def test_a_cancel_reaches_the_engine_and_waits_for_the_streams_end(tmp_path: Path) -> None:
    def until_cancelled(answer: Answer, engine: FakeEngine) -> None:
        answer.begin()
        answer.write(BEGUN)
        engine.is_cancelled.wait()
        answer.write(b'{"error":"context canceled"}\r\n')
        answer.end()

    with fake_engine(tmp_path, until_cancelled) as fake:
        engine = DockerEngine(fake.url)
        build = await start(engine, tmp_path)
        await until(lambda: build.log_size > 0)
        await build.cancel()
        with pytest.raises(BuildCancelled):
            await build.result()
        await build.cancel()
        engine.close()


async def test_a_trace_that_cannot_be_read_leaves_a_note_and_the_rest(tmp_path: Path) -> None:
    def garbled(answer: Answer, _engine: FakeEngine) -> None:
        answer.begin()
        answer.write(b'{"id":"moby.buildkit.trace","aux":"////"}\r\nno json at all\r\n')
        answer.write(BEGUN)
        answer.write(b'{"errorDetail":{"message":"boom"},"error":"boom"}\r\n')
        answer.end()

    with fake_engine(tmp_path, garbled) as fake:
        engine = DockerEngine(fake.url)
        build = await start(engine, tmp_path)
        with pytest.raises(DockerBuildFailed, match="boom"):
            await build.result()
        assert build.log_loss is not None
        assert build.log_path.read_bytes().endswith(b"Step 1/1 : RUN loud\nhello\n")
        engine.close()
