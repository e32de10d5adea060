"""Keeps a stack's programs running: starts them in order, restarts what dies or falls mute, stops them in reverse."""

import asyncio
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Literal

from process.private_folder import make_private
from standalone.errors import CannotStart
from standalone.free_ports import is_taken
from standalone.liveness import Watch
from standalone.locks import lock
from standalone.processes import ProcessIdentity, end
from standalone.programs import RunningProgram, tail
from standalone.stack import Member, Stack
from standalone.supervision.run_record import RunRecord

LOCK = "supervisor.lock"
_LEFTOVER_GRACE = timedelta(seconds=60)  # a Postgres that was told to end when its supervisor died may still write


@dataclass(frozen=True)
class Moment:
    """Something that happened to one program, for people; `seconds` is how long it took, or will be waited."""

    kind: Literal["starting", "ready", "mute", "restarting", "stopping", "stopped", "failed", "all_ready"]
    program: str = ""
    seconds: float = 0.0
    detail: str = ""


Tell = Callable[[Moment], None]


@dataclass(frozen=True)
class Patience:
    """How long to wait before a restart: longer each time, anew after a program ran well for `well_after`."""

    first: timedelta = timedelta(seconds=0.5)
    longest: timedelta = timedelta(seconds=30)
    well_after: timedelta = timedelta(seconds=60)

    def pause(self, deaths: int) -> float:
        """Return the seconds to wait after this many deaths in a row."""
        doubled = self.first * 2.0 ** min(deaths - 1, 16)
        return min(doubled, self.longest).total_seconds()


class Supervisor:
    def __init__(self, stack: Stack, tell: Tell, patience: Patience | None = None, watch: Watch | None = None) -> None:
        self._stack = stack
        self._tell = tell
        self._patience = patience or Patience()
        self._watch = watch or Watch()
        self._ready = {member.name: asyncio.Event() for member in stack.members}
        self._running: dict[str, ProcessIdentity] = {}

    async def run(self, stop: asyncio.Event) -> None:
        """Start all and keep them running until `stop`. Raises CannotStart when one does not start; then none stays."""
        keepers = {member.name: asyncio.create_task(self._keep(member)) for member in self._stack.members}
        stopping = asyncio.create_task(stop.wait())
        try:
            done, _ = await asyncio.wait({stopping, *keepers.values()}, return_when=asyncio.FIRST_COMPLETED)
            for keeper in done - {stopping}:
                keeper.result()  # a keeper ends by CannotStart only
        finally:
            stopping.cancel()
            for name in reversed(keepers):
                await self._end(name, keepers[name])

    async def _end(self, name: str, keeper: "asyncio.Task[None]") -> None:
        began = asyncio.get_running_loop().time()
        ran = name in self._running
        if ran:
            self._tell(Moment("stopping", name))
        keeper.cancel()
        await asyncio.wait({keeper})
        if ran:
            self._tell(Moment("stopped", name, asyncio.get_running_loop().time() - began))

    async def _keep(self, member: Member) -> None:
        for name in sorted(member.needs):
            await self._ready[name].wait()
        deaths = 0
        while True:
            began = asyncio.get_running_loop().time()
            try:
                cause = await self._live(member)
            except (CannotStart, OSError) as refusal:  # OSError: a full disk, no more processes, …
                if not self._is_up():
                    raise
                cause = str(refusal)
            if not self._is_up():
                log = self._stack.log_of(member.name)
                raise CannotStart(f"{member.name} {cause}; its log, {log}, ends with:\n{tail(log)}")
            ran_well = asyncio.get_running_loop().time() - began > self._patience.well_after.total_seconds()
            deaths = 1 if ran_well else deaths + 1
            pause = self._patience.pause(deaths)
            self._tell(Moment("restarting", member.name, pause, cause))
            await asyncio.sleep(pause)

    async def _live(self, member: Member) -> str:
        """Run the program once, from start to end, and return why it ended."""
        began = asyncio.get_running_loop().time()
        self._tell(Moment("starting", member.name))
        running = await RunningProgram.start(member.program, self._stack.log_of(member.name))
        try:
            self._note(member.name, running.pid)
            await running.until_ready()
            self._tell(Moment("ready", member.name, asyncio.get_running_loop().time() - began))
            self._mark_ready(member.name)
            return await self._until_end_or_mute(running)
        finally:
            await running.stop()
            self._note(member.name, None)

    async def _until_end_or_mute(self, running: RunningProgram) -> str:
        name, check = running.program.name, running.program.check
        ended = asyncio.create_task(running.exited())
        mute = asyncio.create_task(self._watch.until_mute(check))
        try:
            done, _ = await asyncio.wait((ended, mute), return_when=asyncio.FIRST_COMPLETED)
            if ended in done:
                return f"ended with code {ended.result()}"
            self._tell(Moment("mute", name, detail=mute.result()))
            return f"lived but did not serve, and was ended: {mute.result()}"
        finally:
            ended.cancel()
            mute.cancel()
            await asyncio.gather(ended, mute, return_exceptions=True)

    def _mark_ready(self, name: str) -> None:
        was_up = self._is_up()
        self._ready[name].set()
        if self._is_up() and not was_up:
            self._tell(Moment("all_ready"))

    def _is_up(self) -> bool:
        return all(ready.is_set() for ready in self._ready.values())

    def _note(self, name: str, pid: int | None) -> None:
        identity = ProcessIdentity.of(pid) if pid else None
        self._running.pop(name, None)
        if identity:
            self._running[name] = identity
        _record(self._stack, self._running)


async def supervise(stack: Stack, tell: Tell, patience: Patience | None = None, watch: Watch | None = None) -> None:
    """Run the stack until SIGTERM, SIGINT or SIGHUP; the only supervisor of its data folder.

    Raises CannotStart when another one runs, a port is taken, or a program does not start; then nothing stays.
    """
    stop = asyncio.Event()
    for wanted in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(wanted, stop.set)
    make_private(stack.data_dir)
    with lock(stack.data_dir / LOCK) as is_ours:
        if not is_ours:
            raise CannotStart(f"another supervisor runs for {stack.data_dir}")
        await end_leftovers(stack.data_dir)
        refuse_taken(stack.ports)
        _record(stack, {})
        try:
            await Supervisor(stack, tell, patience, watch).run(stop)
        finally:
            RunRecord.forget(stack.data_dir)


async def end_leftovers(data_dir: Path) -> list[str]:
    """End what a killed supervisor left, and return the names. Call it only under the supervisor's lock.

    Raises CannotStart when something outlives even that; it stays in the record.
    """
    record = RunRecord.read(data_dir)
    left = {name: process for name, process in record.programs.items() if process.is_alive()} if record else {}
    for process in reversed(left.values()):
        await end(process, signal.SIGINT, _LEFTOVER_GRACE)
    refuse_living(left)
    RunRecord.forget(data_dir)
    return list(left)


def refuse_living(processes: Mapping[str, ProcessIdentity]) -> None:
    """Raise CannotStart, with names and numbers, when some of them still run."""
    living = [f"{name} (pid {process.pid})" for name, process in processes.items() if process.is_alive()]
    if living:
        raise CannotStart(f"still running: {', '.join(living)}; try once more, then end what stays by hand")


def refuse_taken(ports: tuple[tuple[str, int], ...]) -> None:
    """Raise CannotStart with one line for each port that cannot be ours."""
    lines: list[str] = []
    seen: dict[int, str] = {}
    for setting, port in ports:
        if port in seen:
            lines.append(f"{seen[port]} and {setting} are both {port}; set one of them to a free port")
        elif is_taken(port):
            lines.append(f"port {port} is taken by another program; set {setting} to a free one")
        seen[port] = setting
    if lines:
        raise CannotStart("\n".join(lines))


def _record(stack: Stack, running: dict[str, ProcessIdentity]) -> None:
    ordered = {member.name: running[member.name] for member in stack.members if member.name in running}
    record = RunRecord(
        supervisor=ProcessIdentity.ours(),
        programs=ordered,
        stops_within=stack.stops_within,
        made_from=stack.made_from,
    )
    record.write(stack.data_dir)
