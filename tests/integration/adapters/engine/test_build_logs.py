"""What the log says of steps that ran, were cached, never ran, or wrote at the same time: on each engine."""

import pytest

from tests.support.engine.engine_images import Workshop
from tests.support.logs import outputs_of

BASE = "FROM busybox:1.36\n"
# how an engine stores images has nothing to do with it
pytestmark = pytest.mark.parametrize("engine_host", ["machine", "next"], indirect=True)


@pytest.mark.parametrize(
    "failing",
    [
        "COPY nope /x\n",
        "COPY deep/down/nope /x\n",
        "ADD nope.tar /x\n",
        "RUN --mount=type=bind,source=nope,target=/x ls /x\n",
    ],
    ids=["copy", "deep-copy", "add", "bind-mount"],
)
async def test_a_step_that_never_ran_is_not_called_cached(workshop: Workshop, failing: str) -> None:
    never = f"RUN echo one {workshop.marker} && sleep 1\nRUN echo two {workshop.marker}\n"
    build = await workshop.build(BASE + never + failing)
    assert build.error is not None
    outputs = outputs_of(build.log)
    assert outputs[f"RUN echo two {workshop.marker}"] == b" ---> Did not run\n"
    assert b"Using cache" not in outputs[f"RUN echo one {workshop.marker} && sleep 1"]


async def test_a_cached_step_above_a_copy_that_fails_is_not_called_run(workshop: Workshop) -> None:
    cached = f"{BASE}RUN echo {workshop.marker}\n"
    await workshop.build(cached)
    build = await workshop.build(f"{cached}COPY nope /x\n")
    assert outputs_of(build.log)[f"RUN echo {workshop.marker}"] in (b" ---> Using cache\n", b" ---> Did not run\n")


async def test_a_failing_command_leaves_the_cached_steps_above_it_cached(workshop: Workshop) -> None:
    cached = f"{BASE}RUN echo {workshop.marker}\n"
    await workshop.build(cached)
    build = await workshop.build(f"{cached}RUN false\n")
    assert outputs_of(build.log)[f"RUN echo {workshop.marker}"] == b" ---> Using cache\n"


async def test_stages_that_write_at_once_are_shown_in_turns_of_whole_lines(workshop: Workshop) -> None:
    count = "for i in $(seq 1 60); do echo {side} $i; usleep 25000; done # " + workshop.marker
    left = f"FROM busybox:1.36 AS left\nRUN {count.format(side='left')}\n"
    right = f"FROM busybox:1.36\nRUN {count.format(side='right')}\nCOPY --from=left /etc/passwd /\n"
    build = await workshop.build(left + right)
    assert build.error is None
    lines = build.log.decode().splitlines()
    shown = [line for line in lines if line.startswith(("left ", "right "))]
    assert len(shown) == 120
    assert len([line for line in lines if line.startswith("Step ")]) < 30  # of 120 lines that came in turn
    for side in ("left", "right"):
        wanted = "".join(f"{side} {number}\n" for number in range(1, 61))
        assert outputs_of(build.log)[f"RUN {count.format(side=side)}"].decode().rstrip("\n") == wanted.rstrip("\n")
