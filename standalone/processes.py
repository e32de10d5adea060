"""Processes that are not our children: who they are, and how to await or end them (Linux)."""

import asyncio
import os
import signal
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Self

from standalone.errors import CannotStart

PROC = Path("/proc")


@dataclass(frozen=True)
class ProcessIdentity:
    """A process beyond doubt: numbers are used again, a number with its start time is not."""

    pid: int
    started: str  # in clock ticks since boot, with the boot's own id before it

    @classmethod
    def of(cls, pid: int) -> Self | None:
        """Return None when there is no such process, or only its zombie."""
        try:
            fields = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
            boot = (PROC / "sys/kernel/random/boot_id").read_text().strip()
        except OSError:
            return None
        if fields[0] in {"Z", "X"}:
            return None
        return cls(pid, f"{boot}/{fields[19]}")

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
    found = []
    for entry in PROC.iterdir():
        with suppress(OSError):
            if entry.name.isdigit() and (entry / "comm").read_text().strip() == name and _is_at(entry / "cwd", folder):
                found.append(ProcessIdentity.of(int(entry.name)))
    return [process for process in found if process]


def _is_at(link: Path, folder: Path) -> bool:
    return link.readlink() == folder.resolve()
