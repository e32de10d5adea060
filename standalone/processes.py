"""Processes that are not our children: who they are, and how to await or end them (Linux)."""

import asyncio
import os
import signal
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Self

import psutil

from standalone.errors import CannotStart

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_GONE = {psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD}
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class ProcessIdentity:
    """A process beyond doubt: numbers are used again, a number with its start time is not."""

    pid: int
    started: str  # in clock ticks since boot, with the boot's own id before it: no step of the clock changes that

    @classmethod
    def of(cls, pid: int) -> Self | None:
        """Return None when there is no such process, or only its zombie."""
        try:
            process = psutil.Process(pid)
            if process.status() in _GONE:
                return None
            seconds = process.create_time() - psutil.boot_time()
            boot = _BOOT.read_text().strip()
        except (psutil.Error, OSError):
            return None
        return cls(pid, f"{boot}/{round(seconds * _TICKS)}")

    @classmethod
    def ours(cls) -> Self:
        ourselves = cls.of(os.getpid())
        if ourselves is None:
            raise CannotStart("standalone needs Linux with /proc mounted")
        return ourselves

    def is_alive(self) -> bool:
        return ProcessIdentity.of(self.pid) == self


async def until_gone(process: ProcessIdentity, within: timedelta) -> bool:
    """Wait for the end of any process, child or not; False when it outlives the time."""
    try:
        handle = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return True
    loop = asyncio.get_running_loop()
    gone = asyncio.Event()
    try:
        if not process.is_alive():  # also a zombie: pid 1 of a small container may reap late
            return True
        loop.add_reader(handle, gone.set)
        with suppress(TimeoutError):
            await asyncio.wait_for(gone.wait(), within.total_seconds())
        return gone.is_set()
    finally:
        loop.remove_reader(handle)
        os.close(handle)


async def end(process: ProcessIdentity, first: signal.Signals, grace: timedelta) -> None:
    """Ask with `first`, then SIGKILL after `grace`. Nothing happens to another process that has got its number."""
    for wanted, patience in ((first, grace), (signal.SIGKILL, timedelta(seconds=10))):
        if not process.is_alive():
            return
        with suppress(ProcessLookupError):
            os.kill(process.pid, wanted)
            os.kill(process.pid, signal.SIGCONT)  # one that somebody stopped would not see it before
        if await until_gone(process, patience):
            return


def working_in(folder: Path, name: str) -> list[ProcessIdentity]:
    """Return the processes called `name` whose working directory is `folder`; only those that we may see."""
    wanted = {"name": name, "cwd": str(folder.resolve())}
    pids = [process.pid for process in psutil.process_iter([*wanted]) if process.info == wanted]
    return [found for found in map(ProcessIdentity.of, pids) if found]
