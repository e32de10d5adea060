"""The supervisor over stand-ins of its programs: real processes, real signals."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from standalone.errors import CannotStart
from standalone.lifecycle import down
from standalone.processes import ProcessIdentity, end, until_gone
from standalone.supervision.run_record import RunRecord
from tests.support.servers.stand_in_stack import NAMES, stand_in_stack
from tests.support.servers.supervised import PATIENCE, supervised


@dataclass
class Waiting:
    """A process that belongs to no supervisor, and ends at a signal."""

    process: asyncio.subprocess.Process
    identity: ProcessIdentity


@asynccontextmanager
async def waiting() -> AsyncIterator[Waiting]:
    # a test run in a shell's background inherits an ignored SIGINT; what a supervisor starts does not stay so
    code = "import signal; signal.signal(signal.SIGINT, signal.SIG_DFL); print('up', flush=True); signal.pause()"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, start_new_session=True, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout
        assert await process.stdout.readline() == b"up\n"
        identity = ProcessIdentity.of(process.pid)
        assert identity
        yield Waiting(process, identity)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def test_programs_stop_in_the_opposite_order_of_their_start(tmp_path: Path) -> None:
    async with supervised(tmp_path) as supervisor:
        await supervisor.said("all_ready")
        programs = supervisor.programs()
        assert list(programs) == list(NAMES)
        record = RunRecord.read(tmp_path)
        assert record
        assert record.stops_within == stand_in_stack(tmp_path, {}).stops_within
        supervisor.process.send_signal(signal.SIGTERM)
        await supervisor.rest()
        assert await supervisor.process.wait() == 0
    assert supervisor.journal() == ["api ends", "worker ends", "temporal ends", "postgres ends"]
    assert not [name for name, process in programs.items() if process.is_alive()]
    assert RunRecord.read(tmp_path) is None


async def test_a_killed_program_is_started_again_and_its_exit_code_noted(tmp_path: Path) -> None:
    async with supervised(tmp_path) as supervisor:
        await supervisor.said("all_ready")
        before = supervisor.programs()
        for _ in range(2):
            os.kill(supervisor.programs()["worker"].pid, signal.SIGKILL)
            assert await supervisor.said("restarting worker") == "restarting worker ended with code -9"
            await supervisor.said("ready worker")
        after = supervisor.programs()
        assert after["worker"].is_alive()
        assert {name for name in NAMES if before[name] != after[name]} == {"worker"}


async def test_a_killed_supervisor_leaves_no_orphan_and_the_next_one_starts(tmp_path: Path) -> None:
    async with supervised(tmp_path) as first:
        await first.said("all_ready")
        programs = first.programs()
        first.process.kill()
        for process in programs.values():
            assert await until_gone(process, PATIENCE)
    async with supervised(tmp_path) as second:
        await second.said("all_ready")
        assert not {process.pid for process in second.programs().values() if process in programs.values()}


async def test_what_outlived_a_killed_supervisor_is_ended_by_the_next_one(tmp_path: Path) -> None:
    another = ProcessIdentity(os.getpid(), "a number used again")
    async with waiting() as leftover:
        RunRecord(supervisor=another, programs={"api": leftover.identity, "worker": another}).write(tmp_path)
        async with supervised(tmp_path) as supervisor:
            await supervisor.said("all_ready")
            assert await leftover.process.wait() == -signal.SIGINT


async def test_down_fails_and_names_what_outlives_its_time_and_a_second_one_ends_it(tmp_path: Path) -> None:
    shown = StringIO()
    screen = Console(file=shown, width=200)
    async with waiting() as supervisor, waiting() as worker:
        RunRecord(
            supervisor=supervisor.identity,
            programs={"worker": worker.identity},
            stops_within=timedelta(milliseconds=100),
        ).write(tmp_path)
        with pytest.raises(CannotStart, match=rf"^still running: worker \(pid {worker.identity.pid}\)"):
            await down(tmp_path, screen)
        assert "worker     outlives its time" in shown.getvalue()
        assert "is down" not in shown.getvalue()
        assert await supervisor.process.wait() == -signal.SIGTERM
        await down(tmp_path, screen)
        assert "ended what was left: worker" in shown.getvalue()
        assert await worker.process.wait() == -signal.SIGINT


async def test_a_program_that_does_not_start_is_shown_with_its_log_and_nothing_stays(tmp_path: Path) -> None:
    async with supervised(tmp_path, "api=echo no such module; exit 3") as supervisor:
        refusal = await supervisor.said("refused: api ended with code 3")
        assert str(tmp_path / "logs" / "api.log") in refusal
        assert "no such module" in await supervisor.rest()
        assert await supervisor.process.wait() == 1
    assert supervisor.journal() == ["worker ends", "temporal ends", "postgres ends"]


async def test_a_data_folder_has_one_supervisor(tmp_path: Path) -> None:
    async with supervised(tmp_path) as first:
        await first.said("all_ready")
        async with supervised(tmp_path) as second:
            await second.said("refused: another supervisor runs")
        assert all(process.is_alive() for process in first.programs().values())


async def test_a_supervisor_that_is_told_to_end_while_it_starts_leaves_nothing(tmp_path: Path) -> None:
    async with supervised(tmp_path, "temporal=sleep 600") as supervisor:  # never ready
        await supervisor.said("ready postgres")
        programs = supervisor.programs()
        supervisor.process.send_signal(signal.SIGTERM)
        assert await supervisor.process.wait() == 0
    assert not [name for name, process in programs.items() if process.is_alive()]


async def test_a_program_that_is_deaf_to_signals_is_ended_by_force() -> None:
    deaf = await asyncio.create_subprocess_exec(
        "/bin/bash", "-c", "trap '' TERM; echo deaf; exec sleep 600", stdout=asyncio.subprocess.PIPE
    )
    assert deaf.stdout
    await deaf.stdout.readline()
    identity = ProcessIdentity.of(deaf.pid)
    assert identity
    await end(identity, signal.SIGTERM, timedelta(milliseconds=100))
    await deaf.communicate()
    assert deaf.returncode == -signal.SIGKILL


async def test_a_program_that_somebody_stopped_ends_in_order_like_any_other(tmp_path: Path) -> None:
    async with supervised(tmp_path) as supervisor:
        await supervisor.said("all_ready")
        os.kill(supervisor.programs()["api"].pid, signal.SIGSTOP)
        supervisor.process.send_signal(signal.SIGTERM)
        assert await supervisor.process.wait() == 0
    assert supervisor.journal() == ["api ends", "worker ends", "temporal ends", "postgres ends"]


async def test_a_leftover_that_somebody_stopped_is_asked_first_too() -> None:
    async with waiting() as leftover:
        leftover.process.send_signal(signal.SIGSTOP)
        await end(leftover.identity, signal.SIGTERM, PATIENCE)
        assert await leftover.process.wait() == -signal.SIGTERM
