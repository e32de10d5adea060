"""`up`, `down` and `status`: what a person asks of the stack from outside its supervisor."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import timedelta
from pathlib import Path

import httpx
from rich.console import Console

from process.private_folder import make_private
from standalone.env_file import exposed_secrets
from standalone.errors import CannotStart
from standalone.locks import lock
from standalone.loopback_http import loopback_client
from standalone.processes import ProcessIdentity, end, until_gone
from standalone.programs import open_log, tail
from standalone.stack import Stack
from standalone.supervision.progress import moments
from standalone.supervision.run_record import RunRecord
from standalone.supervision.supervisor import LOCK, Moment, end_leftovers, refuse_living

_READY_WITHIN = timedelta(seconds=90)
_TIED_END = timedelta(seconds=2)  # what is tied to a supervisor ends just after it
_LOOK_AGAIN = 0.2  # seconds
_TAKE_OVER = "`make down up` takes them over"
Told = AsyncGenerator[Moment, None]


class NotReady(CannotStart):
    """All programs run, yet the API says that something is missing; they are left running."""


async def up(stack: Stack, screen: Console) -> None:
    """Start the stack detached, and return when its API says that it is ready. A repeat is harmless.

    Raises CannotStart when a program does not start, leaving nothing, or when all runs with other settings; NotReady.
    """
    record = RunRecord.read(stack.data_dir)
    if record and record.supervisor.is_alive():
        if _is_changed(record, stack):
            raise CannotStart(f"Slipway is up, with other settings than now; {_TAKE_OVER}")
        screen.print("Slipway is up already.")
        await _until_ready(stack)
        return
    for warning in filter(None, (make_private(stack.data_dir), exposed_secrets())):
        screen.print(f"  {warning}", style="yellow", markup=False, soft_wrap=True)
    for note in stack.notes:
        screen.print(f"  {note}")
    pipe, supervisor = _detach(stack)
    try:
        async with aclosing(moments(pipe)) as told:
            await _until_all_run(told, stack, screen)
            await _until_ready_or_death(told, stack)
    except NotReady:
        raise
    except BaseException:  # also Ctrl-C: half a stack is of no use
        await end(supervisor, signal.SIGTERM, stack.stops_within)
        raise


async def down(data_dir: Path, screen: Console) -> None:
    """Stop the stack of this folder in its order, or what a killed supervisor left. The Docker engine stays.

    Raises CannotStart, with names and numbers, when something still runs after the time that the programs have.
    """
    record = RunRecord.read(data_dir)
    if not record or not record.supervisor.is_alive():
        await _clear_up(data_dir, screen)
        return
    until = time.monotonic() + record.stops_within.total_seconds()
    os.kill(record.supervisor.pid, signal.SIGTERM)
    for name, process in reversed(record.programs.items()):
        began = time.monotonic()
        word = "stopped" if await until_gone(process, _time_left(until)) else "outlives its time"
        screen.print(f"  {name:<10} {word}  {time.monotonic() - began:6.1f} s")
    await end(record.supervisor, signal.SIGTERM, _time_left(until))
    for process in record.programs.values():
        await until_gone(process, _TIED_END)
    refuse_living({"supervisor": record.supervisor, **record.programs})
    screen.print("Slipway is down; its data is kept in", str(data_dir), soft_wrap=True)


def _time_left(until: float) -> timedelta:
    return timedelta(seconds=max(0.0, until - time.monotonic()))


async def status(stack: Stack, screen: Console) -> bool:
    """Print what runs, and where; True when the stack is up and ready."""
    record = RunRecord.read(stack.data_dir)
    if not record or not record.supervisor.is_alive():
        screen.print("Slipway is down; start it with `make up`.")
        return False
    for member in stack.members:
        process = record.programs.get(member.name)
        runs = f"runs     pid {process.pid}" if process and process.is_alive() else "does not run"
        screen.print(f"  {member.name:<10} {runs}")
    if _is_changed(record, stack):  # nor would the URLs be the right ones
        screen.print(f"The settings have changed since it was started; {_TAKE_OVER}", soft_wrap=True)
        return False
    missing = await _missing(stack)
    screen.print("ready" if not missing else f"not ready: {missing}", soft_wrap=True)
    show_urls(stack, screen)
    return not missing


def _is_changed(record: RunRecord, stack: Stack) -> bool:
    return record.made_from not in ("", stack.made_from)  # older releases did not write it down


def is_running(program: str, data_dir: Path) -> bool:
    """Say whether a program of this folder's stack runs, ready or not."""
    record = RunRecord.read(data_dir)
    process = record.programs.get(program) if record and record.supervisor.is_alive() else None
    return process is not None and process.is_alive()


def show_urls(stack: Stack, screen: Console) -> None:
    for name, url in stack.urls.items():
        screen.print(f"  {name:<15} {url}", soft_wrap=True)


def _detach(stack: Stack) -> tuple[int, ProcessIdentity]:
    """Start the supervisor in a session of its own; return what it tells us through, and who it is."""
    listen, tell = os.pipe()
    output = open_log(stack.log_of("supervisor"))
    try:
        process = subprocess.Popen(
            (sys.executable, "-m", "standalone", "run", "--tell", str(tell)),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=(tell,),
            start_new_session=True,
        )
    finally:
        os.close(tell)
        os.close(output)
    process.returncode = 0  # it outlives us: nobody here will wait for it
    return listen, ProcessIdentity.of(process.pid) or ProcessIdentity(process.pid, "ended at once")


async def _until_all_run(told: Told, stack: Stack, screen: Console) -> None:
    async for moment in told:
        if moment.kind == "failed":
            raise CannotStart(moment.detail)
        if moment.kind == "all_ready":
            return
        if moment.kind == "ready":
            screen.print(f"  {moment.program:<10} started  {moment.seconds:6.1f} s")
    raise CannotStart(_early_end(stack))


async def _until_ready_or_death(told: Told, stack: Stack) -> None:
    death = asyncio.create_task(_first_death(told, stack))
    ready = asyncio.create_task(_until_ready(stack))
    try:
        done, _ = await asyncio.wait({death, ready}, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        death.cancel()
        ready.cancel()
        await asyncio.gather(death, ready, return_exceptions=True)


async def _first_death(told: Told, stack: Stack) -> None:
    async for moment in told:
        if moment.kind == "restarting":
            log = stack.log_of(moment.program)
            raise CannotStart(f"{moment.program} {moment.detail}; its log, {log}, ends with:\n{tail(log)}")
    raise CannotStart(_early_end(stack))


async def _until_ready(stack: Stack) -> None:
    deadline = time.monotonic() + _READY_WITHIN.total_seconds()
    while missing := await _missing(stack):
        if time.monotonic() > deadline:
            raise NotReady(f"All programs run, but the API is not ready: {missing}\nStop them with `make down`.")
        await asyncio.sleep(_LOOK_AGAIN)


async def _missing(stack: Stack) -> str:
    """Return what the API says is missing, "" when it is ready."""
    if stack.ready_url is None:
        return ""
    try:
        async with loopback_client() as http:
            answer = await http.get(stack.ready_url)
    except httpx.TransportError as error:
        return f"no answer from {stack.ready_url} ({type(error).__name__})"
    if answer.is_success:
        return ""
    try:
        components = answer.json()["components"]
        lame = [f"{part['name']} ({part.get('details') or part['status']})" for part in components if _is_lame(part)]
    except (ValueError, KeyError, TypeError):
        lame = []
    return ", ".join(lame) or f"it answers {answer.status_code}"


def _is_lame(component: dict[str, object]) -> bool:
    return component["status"] not in {"ok", "healthy", "up"}


async def _clear_up(data_dir: Path, screen: Console) -> None:
    with lock(data_dir / LOCK) as is_ours:
        if not is_ours:
            raise CannotStart("a supervisor is just starting; try again in a moment")
        left = await end_leftovers(data_dir)
    screen.print(f"Slipway was not up; ended what was left: {', '.join(left)}." if left else "Slipway is not up.")


def _early_end(stack: Stack) -> str:
    log = stack.log_of("supervisor")
    return f"the supervisor ended early; its log, {log}, ends with:\n{tail(log)}"
