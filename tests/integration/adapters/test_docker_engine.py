"""The real engine builds, fails, is cancelled and loses logs, and the adapter tells it as it is."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from activities.adapters.docker.engine import DockerEngine
from models.rules.errors.engine import BuildCancelled, DockerBuildFailed, EngineRefused, EngineUnreachable, ImageGone
from models.rules.errors.source import DockerfileInvalid
from tests.support.engine.engine_images import ENGINE_URL, LABEL, Workshop, open_workshop
from tests.support.logs import outputs_of
from tests.support.waiting import until

BASE = "FROM busybox:1.36\n"
SECRET = "s3cr3t-0123456789-abcdefghij"
NO_SUCH_IMAGE = "sha256:" + "0" * 64


@pytest.fixture
async def workshop(tmp_path: Path) -> AsyncIterator[Workshop]:
    async with open_workshop(tmp_path) as opened:
        yield opened


async def test_the_engine_says_what_it_is(workshop: Workshop) -> None:
    info = await workshop.engine.info()
    assert info.version
    assert info.api_version
    assert not info.honours_limits


async def test_an_engine_that_is_not_there_is_unreachable(tmp_path: Path) -> None:
    with pytest.raises(EngineUnreachable):
        await DockerEngine(f"unix://{tmp_path}/nothing.sock").info()


async def test_a_build_gives_an_image_with_its_labels_arguments_and_target(workshop: Workshop) -> None:
    wanted = f"FROM busybox:1.36 AS wanted\nARG WHAT=nothing\nRUN echo $WHAT {workshop.marker}\n"
    build = await workshop.build(f"{wanted}FROM wanted\nRUN false\n", build_args={"WHAT": "something"}, target="wanted")
    image = await workshop.image(build)
    assert build.outcome is not None
    assert build.outcome.image_id == image.id
    assert build.outcome.log_loss is None
    assert image.labels[LABEL] == workshop.marker
    assert image.tags == (build.tag,)
    assert image.platform.startswith("linux/")
    assert image.size_bytes > 0
    assert image.layers >= 1
    assert f"something {workshop.marker}\n".encode() in build.log


async def test_images_are_found_named_and_unnamed(workshop: Workshop) -> None:
    image = await workshop.image(await workshop.build(BASE))
    second = f"slipway-test/{workshop.marker}:second"
    for _repeat in range(2):
        await workshop.engine.tag(image.id, second)
    assert sorted(await workshop.engine.tags_labelled(LABEL, workshop.marker)) == sorted([second, *workshop.tags])
    for _repeat in range(2):
        await workshop.engine.untag(second)
    assert await workshop.engine.image(second) is None
    assert await workshop.engine.image(image.id) is not None
    with pytest.raises(ImageGone):
        await workshop.engine.tag(NO_SUCH_IMAGE, second)


async def test_a_failing_step_is_named_with_its_exit_code(workshop: Workshop) -> None:
    build = await workshop.build(f"{BASE}RUN echo hello {workshop.marker}; exit 7\nRUN echo never\n")
    step = f"Step 2/3 : RUN echo hello {workshop.marker}; exit 7"
    assert isinstance(build.error, DockerBuildFailed)
    assert build.error.detail == f"Docker build failed: exit code 7 at {step}"
    assert (build.error.failing_step, build.error.exit_code) == (step, 7)
    assert build.log.endswith(f"{step}\nhello {workshop.marker}\n".encode())


@pytest.mark.parametrize(
    ("dockerfile", "words"),
    [
        ("FROM localhost:1/missing:1.2\nRUN true\n", "the base image localhost:1/missing:1.2 is not on the engine"),
        (f"{BASE}RUNN true\n", "Dockerfile cannot be built: dockerfile parse error line 2: unknown instruction: RUNN"),
        (f"{BASE}COPY missing /\n", "/missing is not in what the step copies from"),
        ("# syntax=localhost:1/frontend:1\nFROM scratch\n", "`# syntax=` line asks for localhost:1/frontend:1"),
        (f"{BASE}RUN --mount=type=secret,id=x,required=true true\n", "build secrets and SSH agents cannot be mounted"),
        ("ARG WHICH\nFROM $WHICH\n", "base name ($WHICH) should not be blank"),
        (f"{BASE}USER nobody-knows\nRUN true\n", "unable to find user nobody-knows"),
    ],
    ids=["base", "syntax", "copy", "frontend", "secret", "argument", "user"],
)
async def test_a_dockerfile_that_cannot_be_built_is_explained(workshop: Workshop, dockerfile: str, words: str) -> None:
    build = await workshop.build(dockerfile)
    assert isinstance(build.error, DockerBuildFailed)
    assert words in build.error.detail
    assert build.error.exit_code is None


async def test_a_target_that_the_dockerfile_lacks_is_named(workshop: Workshop) -> None:
    build = await workshop.build(f"{BASE}RUN true\n", target="nowhere")
    assert isinstance(build.error, DockerBuildFailed)
    assert "no stage named nowhere" in build.error.detail


async def test_what_the_engine_refuses_before_it_builds_is_passed_on(workshop: Workshop) -> None:
    build = await workshop.build(BASE, tag="NOT/a:valid-tag")
    assert isinstance(build.error, EngineRefused)
    assert "invalid reference format" in build.error.detail


async def test_a_second_build_says_what_came_from_the_cache(workshop: Workshop) -> None:
    dockerfile = f"{BASE}RUN echo {workshop.marker}\n"
    first, second = await workshop.build(dockerfile), await workshop.build(dockerfile)
    header = f"Step 2/2 : RUN echo {workshop.marker}\n"
    assert f"{header}{workshop.marker}\n".encode() in first.log
    assert f"{header} ---> Using cache\n".encode() in second.log


async def test_stages_that_run_at_once_each_keep_all_their_lines_in_order(workshop: Workshop) -> None:
    count = "for i in $(seq 1 300); do echo {side} $i; usleep 1000; done # " + workshop.marker
    left = f"FROM busybox:1.36 AS left\nRUN {count.format(side='left')}\n"
    right = f"FROM busybox:1.36\nRUN {count.format(side='right')}\nCOPY --from=left /etc/passwd /\n"
    build = await workshop.build(left + right)
    assert build.error is None
    outputs = outputs_of(build.log)
    for side in ("left", "right"):
        wanted = "".join(f"{side} {number}\n" for number in range(1, 301)).encode()
        assert outputs[f"RUN {count.format(side=side)}"].rstrip(b"\n") == wanted.rstrip(b"\n")


@pytest.mark.parametrize(
    "content",
    [
        b"nul \0 invalid \xff\xfe\xc3( ansi \x1b[31mred\x1b[0m\n",
        b"10%\r20%\r100%\r\nno newline at the end",
        b"x" * (1 << 20),
        bytes(range(256)) * 64,
        b"\n\n\n",
    ],
    ids=["nul", "progress-bar", "long-line", "every-byte", "newlines"],
)
async def test_what_a_step_writes_stands_in_the_log_byte_for_byte(workshop: Workshop, content: bytes) -> None:
    # Somewhat slower than the engine's limit, which would clip a mebibyte that comes with another byte.
    piece = "dd if=/content bs=65536 count=1 skip=$i 2>/dev/null; usleep 100000"
    command = f"for i in $(seq 0 {len(content) // 65536}); do {piece}; done # {workshop.marker}"
    build = await workshop.build(f"{BASE}COPY content /\nRUN {command}\n", files={"content": content})
    assert build.error is None
    assert build.log.endswith(f"Step 3/3 : RUN {command}\n".encode() + content)
    assert build.outcome is not None
    assert build.outcome.log_loss is None


async def test_a_hundred_thousand_paced_lines_come_whole(workshop: Workshop) -> None:
    line = "line %06d of a log that goes on at its own pace, some eighty bytes to the line"
    paced = f'for(i=1;i<=100000;i++){{printf "{line}\\n",i; if(i%500==0){{fflush(); system("usleep 45000")}}}}'
    build = await workshop.build(f"{BASE}RUN awk 'BEGIN{{{paced}}}' # {workshop.marker}\n")
    wanted = hashlib.sha256()
    for number in range(1, 100_001):
        wanted.update((line % number).encode() + b"\n")
    (output,) = [output for name, output in outputs_of(build.log).items() if name.startswith("RUN awk")]
    assert hashlib.sha256(output).hexdigest() == wanted.hexdigest()
    assert build.outcome is not None
    assert build.outcome.log_loss is None


async def test_a_burst_that_the_engine_clips_ends_in_success_and_says_what_was_lost(workshop: Workshop) -> None:
    build = await workshop.build(f"{BASE}RUN head -c 100000000 /dev/zero # {workshop.marker}\n")
    assert build.outcome is not None
    assert build.outcome.log_loss is not None
    assert "Step 2/2" in build.outcome.log_loss
    assert b"[output clipped, log limit" in build.log


async def test_secrets_are_masked_even_when_the_engine_splits_them(tmp_path: Path) -> None:
    async with open_workshop(tmp_path, DockerEngine(ENGINE_URL, [SECRET])) as workshop:
        halves = f"printf {SECRET[:10]}; usleep 100000; echo {SECRET[10:]}; exit 3"
        build = await workshop.build(f"{BASE}ARG TOKEN\nRUN {halves} # $TOKEN {SECRET} {workshop.marker}\n")
    assert b"******\n" in build.log
    assert SECRET.encode() not in build.log
    assert isinstance(build.error, DockerBuildFailed)
    assert SECRET not in build.error.detail + str(build.error.failing_step)


async def test_a_cancel_ends_the_steps_process(workshop: Workshop) -> None:
    seconds = str(int(workshop.marker[:10], 16) + 10**9)  # a number that no other process has
    build = await workshop.start(f"{BASE}RUN trap '' TERM INT; echo begun; sleep {seconds}; true\n")
    await until(lambda: b"\nbegun\n" in build.log_path.read_bytes() and bool(processes_with(seconds)))
    for _repeat in range(2):
        await build.cancel()
    with pytest.raises(BuildCancelled):
        await build.result()
    await until(lambda: not processes_with(seconds))


async def test_a_cancel_right_after_the_start_ends_the_build(workshop: Workshop) -> None:
    build = await workshop.start(f"{BASE}RUN sleep 600 # {workshop.marker}\n")
    await build.cancel()
    with pytest.raises(BuildCancelled):
        await build.result()


async def test_a_wait_that_is_cancelled_leaves_the_build_running(workshop: Workshop) -> None:
    build = await workshop.start(f"{BASE}RUN echo {workshop.marker}; sleep 0.3\n")
    waiting = asyncio.create_task(build.result())
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert (await build.result()).image_id == (await build.result()).image_id


async def test_progress_follows_the_steps(workshop: Workshop) -> None:
    build = await workshop.start(f"{BASE}RUN echo waiting {workshop.marker}; sleep 600\nRUN true\n")
    await until(lambda: build.progress.last_line == f"waiting {workshop.marker}")
    assert (build.progress.step, build.progress.steps) == (2, 3)
    await build.cancel()


async def test_a_dockerfile_that_is_not_in_the_context_is_named(workshop: Workshop) -> None:
    build = await workshop.build(BASE, dockerfile_path="Missing.dockerfile")
    assert isinstance(build.error, DockerfileInvalid)
    assert "Missing.dockerfile" in build.error.detail


def processes_with(marker: str) -> list[str]:
    """Ids of this machine's processes whose command line holds the marker."""
    found = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if marker.encode() in process.read_bytes():
                found.append(process.parent.name)
        except (FileNotFoundError, ProcessLookupError):  # it ended while we looked
            continue
    return found
