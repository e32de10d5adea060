import asyncio
import os
import signal
from pathlib import Path

import pytest

from standalone.engine.cgroup import StepLimits, apply_limits, end_orphaned_steps
from standalone.engine.log_limits import most_of
from standalone.engine.place import EnginePlace, process_in
from standalone.processes import ProcessIdentity

TWO_CPUS = StepLimits(memory_bytes=1 << 30, cpus=2.0)


def test_limits_for_steps_are_set_in_the_first_version_of_the_tree(tmp_path: Path) -> None:
    assert apply_limits("/slipway-probe", TWO_CPUS, tmp_path) == []
    steps = "slipway-probe/buildkit"
    assert (tmp_path / "memory" / steps / "memory.limit_in_bytes").read_text() == str(1 << 30)
    assert (tmp_path / "cpu" / steps / "cpu.cfs_quota_us").read_text() == "200000"


def test_limits_for_steps_are_set_in_the_second_version_of_the_tree(tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").write_text("cpu memory")
    assert apply_limits("/slipway-probe", TWO_CPUS, tmp_path) == []
    assert (tmp_path / "slipway-probe/buildkit/memory.max").read_text() == str(1 << 30)
    assert (tmp_path / "slipway-probe/buildkit/cpu.max").read_text() == "200000 100000"
    assert (tmp_path / "slipway-probe/cgroup.subtree_control").read_text() == "+memory +cpu"


def test_a_limit_that_is_taken_out_of_the_settings_is_lifted(tmp_path: Path) -> None:
    apply_limits("/slipway-probe", TWO_CPUS, tmp_path)
    assert apply_limits("/slipway-probe", StepLimits(), tmp_path) == []
    assert (tmp_path / "memory/slipway-probe/buildkit/memory.limit_in_bytes").read_text() == "-1"


def test_without_limits_nothing_is_made(tmp_path: Path) -> None:
    assert apply_limits("/slipway-probe", StepLimits(), tmp_path) == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("place", "shown"),
    [
        ("memory/slipway-probe/buildkit/memory.limit_in_bytes", "9223372036854771712\n"),
        ("cpu/slipway-probe/buildkit/cpu.cfs_quota_us", "-1\n"),
        ("slipway-probe/buildkit/memory.max", "max\n"),
        ("slipway-probe/buildkit/cpu.max", "max 100000\n"),
    ],
)
def test_where_nothing_is_limited_nothing_is_lifted_which_an_ordinary_user_may_not(
    place: str, shown: str, tmp_path: Path
) -> None:
    if place.endswith(".max"):
        (tmp_path / "cgroup.controllers").write_text("cpu memory")
    file = tmp_path / place
    file.parent.mkdir(parents=True)
    file.write_text(shown)
    assert apply_limits("/slipway-probe", StepLimits(), tmp_path) == []
    assert file.read_text() == shown


def test_a_limit_that_cannot_be_set_is_said(tmp_path: Path) -> None:
    (tmp_path / "memory").write_text("no folder")
    refusals = apply_limits("/slipway-probe", StepLimits(memory_bytes=1 << 30), tmp_path)
    assert len(refusals) == 1
    assert "cannot be limited" in refusals[0]


@pytest.mark.parametrize("tree", ["memory", "."])
async def test_steps_of_a_gone_engine_are_ended_below_our_group_only(tree: str, tmp_path: Path) -> None:
    ours, others = [await asyncio.create_subprocess_exec("sleep", "600") for _ in range(2)]
    try:
        for group, step in (("slipway-probe", ours), ("docker", others)):
            folder = tmp_path / tree / group / "buildkit" / "step"
            folder.mkdir(parents=True)
            (folder / "cgroup.procs").write_text(f"{step.pid}\n")
        assert end_orphaned_steps("/slipway-probe", tmp_path) == 1
        assert await ours.wait() == -signal.SIGKILL
        assert others.returncode is None
    finally:
        others.kill()
        await others.wait()


@pytest.mark.parametrize(
    ("said", "speed"),
    [
        ("Docker version 20.10.24+dfsg1, build 5d6db84", "1048576"),
        ("Docker version 27.5.1, build 9f9e405", "1048576"),
        ("Docker version 28.5.2+dfsg4, build f8215cc", "-1"),
        ("Docker version 29.0.0, build 3d4129b", "-1"),
        ("", "1048576"),
    ],
)
def test_an_engine_is_told_to_pass_on_what_its_version_can_bear(said: str, speed: str) -> None:
    assert most_of(said)["BUILDKIT_STEP_LOG_MAX_SPEED"] == speed


async def test_a_pid_file_counts_only_while_it_names_a_process_of_that_program(tmp_path: Path) -> None:
    file = tmp_path / "docker.pid"
    assert process_in(file, "dockerd") is None
    file.write_text(str(os.getpid()))
    assert process_in(file, "dockerd") is None
    sleeper = await asyncio.create_subprocess_exec("sleep", "600")
    file.write_text(str(sleeper.pid))
    try:
        assert process_in(file, "sleep") == ProcessIdentity.of(sleeper.pid)
    finally:
        sleeper.kill()
        await sleeper.wait()
    assert process_in(file, "sleep") is None


async def test_an_engine_is_ours_while_the_process_that_we_marked_lives(tmp_path: Path) -> None:
    place = EnginePlace(marker=tmp_path / "engine.json")
    assert place.our_daemon() is None
    place.mark_as_ours(ProcessIdentity.ours())
    assert place.our_daemon() == ProcessIdentity.ours()
    place.mark_as_ours(ProcessIdentity(os.getpid(), "another start"))
    assert place.our_daemon() is None
