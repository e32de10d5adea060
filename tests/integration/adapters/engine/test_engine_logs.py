"""What steps write stands in the log, or the log says that it is not whole."""

import hashlib
from pathlib import Path

import pytest

from models.rules.errors.engine import DockerBuildFailed
from tests.support.engine.engine_images import Workshop, open_workshop
from tests.support.engine.engines_under_test import EngineUnderTest
from tests.support.logs import outputs_of
from tests.support.waiting import until

BASE = "FROM busybox:1.36\n"
SECRET = "s3cr3t-0123456789-abcdefghij"
NO_SUCH_IMAGE = "sha256:" + "0" * 64


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
async def test_what_a_step_writes_stands_in_the_log_byte_for_byte(
    workshop: Workshop, docker: EngineUnderTest, content: bytes
) -> None:
    # Somewhat slower than the engine's limit, which would clip a mebibyte that comes with another byte.
    piece = f"dd if=/content bs=65536 count=1 skip=$i 2>/dev/null; usleep {100_000 if docker.clips_logs else 0}"
    command = f"for i in $(seq 0 {len(content) // 65536}); do {piece}; done # {workshop.marker}"
    build = await workshop.build(f"{BASE}COPY content /\nRUN {command}\n", files={"content": content})
    assert build.error is None
    # the engine may tell in mid-step what came from its cache: the log leaves the step for that, and comes back
    assert outputs_of(build.log)[f"RUN {command}"].removesuffix(b"\n") == content.removesuffix(b"\n")
    assert build.outcome is not None
    assert build.outcome.log_loss is None


async def test_a_hundred_thousand_lines_come_whole_at_a_pace_that_the_engine_keeps(
    workshop: Workshop, docker: EngineUnderTest
) -> None:
    line = "line %06d of a log that goes on at its own pace, some eighty bytes to the line"
    pause = 'if(i%500==0){fflush(); system("usleep 45000")}' if docker.clips_logs else ""
    paced = f'for(i=1;i<=100000;i++){{printf "{line}\\n",i; {pause}}}'
    build = await workshop.build(f"{BASE}RUN awk 'BEGIN{{{paced}}}' # {workshop.marker}\n")
    wanted = hashlib.sha256()
    for number in range(1, 100_001):
        wanted.update((line % number).encode() + b"\n")
    (output,) = [output for name, output in outputs_of(build.log).items() if name.startswith("RUN awk")]
    assert hashlib.sha256(output).hexdigest() == wanted.hexdigest()
    assert build.outcome is not None
    assert build.outcome.log_loss is None


async def test_a_burst_comes_whole_or_the_build_says_what_was_lost(workshop: Workshop, docker: EngineUnderTest) -> None:
    build = await workshop.build(f"{BASE}RUN head -c 100000000 /dev/zero # {workshop.marker}\n")
    assert build.outcome is not None
    if docker.clips_logs:
        assert build.outcome.log_loss is not None
        assert "Step 2/2" in build.outcome.log_loss
        assert b"[output clipped, log limit" in build.log
    else:
        assert build.outcome.log_loss is None
        header = f"Step 2/2 : RUN head -c 100000000 /dev/zero # {workshop.marker}\n".encode()
        assert build.log.partition(header)[2] == bytes(100_000_000)


async def test_secrets_are_masked_even_when_the_engine_splits_them(docker: EngineUnderTest, tmp_path: Path) -> None:
    async with open_workshop(tmp_path, docker.adapter([SECRET])) as workshop:
        halves = f"printf {SECRET[:10]}; usleep 100000; echo {SECRET[10:]}; exit 3"
        build = await workshop.build(f"{BASE}ARG TOKEN\nRUN {halves} # $TOKEN {SECRET} {workshop.marker}\n")
    assert b"******\n" in build.log
    assert SECRET.encode() not in build.log
    assert isinstance(build.error, DockerBuildFailed)
    assert SECRET not in build.error.detail + str(build.error.failing_step)


async def test_progress_follows_the_steps(workshop: Workshop) -> None:
    build = await workshop.start(f"{BASE}RUN echo waiting {workshop.marker}; sleep 600\nRUN true\n")
    await until(lambda: build.progress.last_line == f"waiting {workshop.marker}")
    assert (build.progress.step, build.progress.steps) == (2, 3)
    await build.cancel()
