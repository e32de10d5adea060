"""A program that standalone runs, and the process it became.

Linux ends a tied process together with its parent, also when the parent was killed with -9. The tie hangs on the
*thread* that forked (prctl(2), PR_SET_PDEATHSIG): start programs from the main thread only.
"""

import asyncio
import os
import signal
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

from process.tied import tied_to_us
from standalone.errors import CannotStart

TAIL_LINES = 12
_BEGIN = "---- start of "
_LARGE_LOG_BYTES = 50 * 1024 * 1024
_LONGEST_PAUSE = 0.25  # seconds between two looks whether a program is ready


async def _nothing() -> None:
    return


def _nothing_held() -> None:
    return


@dataclass(frozen=True)
class Program:
    """What to run, how to see that it is ready, and how to end it.

    `prepare` runs before each start and may raise CannotStart; `release` gives up what it took, once after each end.
    `is_ready` answers False, or raises OSError, while it is too early, and raises CannotStart when waiting is in vain.
    `check` asks one that was ready whether it serves still, and raises NotServing or OSError. `becomes` are words
    before the command that change the user; `environment` replaces ours, None hands it on.
    """

    name: str
    command: tuple[str, ...]
    is_ready: Callable[[], Awaitable[bool]]
    check: Callable[[], Awaitable[None]] = _nothing
    prepare: Callable[[], Awaitable[None]] = _nothing
    release: Callable[[], None] = _nothing_held
    becomes: Callable[[], Awaitable[tuple[str, ...]]] | None = None
    environment: Mapping[str, str] | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    death_signal: signal.Signals = signal.SIGKILL
    grace: timedelta = timedelta(seconds=10)
    ready_within: timedelta = timedelta(seconds=60)


class RunningProgram:
    """One process of a program, from its start to its end; it always ends with us."""

    def __init__(self, program: Program, process: asyncio.subprocess.Process, log: Path) -> None:
        self.program = program
        self._process = process
        self._log = log
        self._is_released = False

    @classmethod
    async def start(cls, program: Program, log: Path) -> Self:
        """Prepare and start; output is added to `log`. Raises CannotStart."""
        await program.prepare()
        becomes = await program.becomes() if program.becomes else ()
        words = (*becomes, *tied_to_us(program.command, program.death_signal))
        output = open_log(log)
        os.write(output, f"{_BEGIN}{program.name}, {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC\n".encode())
        try:
            process = await asyncio.create_subprocess_exec(
                *words,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=program.environment,
                start_new_session=True,  # Ctrl-C at the terminal is for us; we stop the others in their order
            )
        except OSError as error:
            raise CannotStart(f"{program.name} cannot be started: {error}") from error
        finally:
            os.close(output)
        return cls(program, process, log)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; -9 after SIGKILL, as everywhere in Python."""
        return self._process.returncode

    async def until_ready(self) -> None:
        """Raises CannotStart, with the log's last lines, when the program ends first or the time is over."""
        ready = asyncio.create_task(self._probe())
        ended = asyncio.create_task(self._process.wait())
        limit = self.program.ready_within
        try:
            done, _ = await asyncio.wait((ready, ended), timeout=limit.total_seconds(), return_when="FIRST_COMPLETED")
            if ready in done:
                return ready.result()
            what = f"ended with code {ended.result()}" if ended in done else f"is not ready after {limit.seconds} s"
            raise CannotStart(f"{self.program.name} {what}; its log, {self._log}, ends with:\n{tail(self._log)}")
        finally:
            ready.cancel()
            ended.cancel()
            await asyncio.gather(ready, ended, return_exceptions=True)

    async def _probe(self) -> None:
        pause = 0.02
        while True:
            with suppress(OSError):
                if await self.program.is_ready():
                    return
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def exited(self) -> int:
        """Wait for the end and return the exit code."""
        code = await self._process.wait()
        if not self._is_released:  # who asks once more may do so when the next one has been prepared
            self._is_released = True
            self.program.release()
        return code

    async def stop(self) -> int:
        """End it within its grace, by force after that, and return the exit code. A repeat returns the same."""
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.send_signal(self.program.stop_signal)
                self._process.send_signal(signal.SIGCONT)  # one that somebody stopped would not see it before
            try:
                await asyncio.wait_for(self._process.wait(), self.program.grace.total_seconds())
            except TimeoutError:
                with suppress(ProcessLookupError):
                    self._process.kill()
        code = await self.exited()
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)  # what it started and did not end itself
        return code


class Server(AbstractAsyncContextManager["Server"], ABC):
    """A server of our own for as long as a `with` lasts: ready when it begins, ended when it is over."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self._running: RunningProgram | None = None

    @property
    @abstractmethod
    def program(self) -> Program:
        """What the supervisor starts."""

    @property
    def pid(self) -> int | None:
        return self._running.pid if self._running else None

    async def start(self) -> None:
        """Start, or start again after a death, and wait until it is ready. Raises CannotStart with the reason."""
        self._running = await RunningProgram.start(self.program, self.log)
        try:
            await self._running.until_ready()
        except BaseException:
            await self._running.stop()
            raise

    async def exited(self) -> None:
        """Wait for the end of what runs, and for its number to be free."""
        if self._running:
            await self._running.exited()

    async def stop(self) -> None:
        if self._running:
            await self._running.stop()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()


async def output_of(words: tuple[str, ...]) -> tuple[int, str]:
    """Run a command to its end, and return its exit code and what it wrote, errors included."""
    process = await asyncio.create_subprocess_exec(
        *words, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        output, _ = await process.communicate()
    finally:
        if process.returncode is None:  # we were cancelled
            process.kill()
            await process.wait()
    return process.returncode or 0, output.decode(errors="replace").strip()


def tail(log: Path, lines: int = TAIL_LINES) -> str:
    """Return the last lines that the newest start wrote to a log, "(nothing)" when there are none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 16_384))
            newest = file.read().decode(errors="replace").rpartition(_BEGIN)
    except FileNotFoundError:
        newest = ("", "", "")
    last = newest[2].splitlines()[1 if newest[1] else 0 :][-lines:]
    return "\n".join(f"    {line}" for line in last) or "    (nothing)"


def open_log(log: Path) -> int:
    """Open for adding, after putting a large one aside; one old one is kept."""
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists() and log.stat().st_size > _LARGE_LOG_BYTES:
        log.replace(log.with_name(f"{log.name}.1"))
    return os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
