"""A Docker engine for this machine: used as it is when one answers, else installed and started, and remembered as ours.

It belongs to the machine, not to the stack: it runs on after `make down`, and `make engine-down` stops only ours.
"""

import asyncio
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Literal

from standalone.engine import debian_packages
from standalone.engine.cgroup import StepLimits, apply_limits, end_orphaned_steps
from standalone.engine.log_limits import most_of
from standalone.engine.place import DAEMON, EnginePlace, answers, may_use, process_in
from standalone.errors import CannotStart
from standalone.locks import lock
from standalone.processes import ProcessIdentity, end
from standalone.programs import open_log, tail

Say = Callable[[str], None]
PACKAGES = ("docker.io", "iptables", "busybox-static")
_SBIN = "/usr/local/sbin:/usr/sbin:/sbin"
_SECRETS = ("GITHUB_", "DATABASE_URL", "SLIPWAY_", "TEMPORAL_", "DOCKER_HOST", "PG")
_TRIES = 3
_LOOK_AGAIN = 0.2  # seconds
_STOP_GRACE = timedelta(seconds=30)
_HOW_TO_INSTALL = (
    "Install one: on Debian or Ubuntu run `make engine` as root (or `sudo apt-get install docker.io`); on other"
    " systems see https://docs.docker.com/engine/install/. Then run this again."
)


def ensure_engine(
    place: EnginePlace,
    environment: Mapping[str, str],
    say: Say,
    limits: StepLimits | None = None,
    wait: timedelta = timedelta(seconds=60),
) -> None:
    """Make sure that an engine answers at `place`. Safe to repeat, and from several processes at once.

    Raises CannotStart, saying what to install or to do.
    """
    if not answers(place.url):
        _refuse_what_is_not_ours_to_mend(place)
        with lock(place.lock, within=wait * _TRIES + timedelta(minutes=15)) as is_ours:
            if not is_ours:
                raise CannotStart(f"another process has held {place.lock} for very long; look what it does")
            if not answers(place.url):  # else another caller has started it meanwhile
                _install(environment, say)
                _start(place, environment, say, wait)
    if limits and place.our_daemon():
        for refusal in apply_limits(place.cgroup, limits):
            say(refusal)
    elif limits and limits != StepLimits():
        say("limits for build steps are not applied: this Docker engine is not ours")


def ensure_engine_at(url: str, environment: Mapping[str, str], say: Say, limits: StepLimits) -> None:
    """Make sure of the engine that the settings name: the machine's own may be started, any other must answer."""
    place = EnginePlace()
    if url.startswith("unix://") and Path(url.removeprefix("unix://")).resolve() == place.socket.resolve():
        ensure_engine(place, environment, say, limits)
    elif not answers(url):
        raise CannotStart(f"no Docker engine answers at {url}; look at SLIPWAY_ENGINE_URL and DOCKER_HOST")


def stop_engine(place: EnginePlace) -> Literal["stopped", "not ours", "none"]:
    """Stop the engine that we started, with its containers; leave any other alone."""
    with lock(place.lock, within=timedelta(minutes=2)) as is_ours:
        ours = place.our_daemon() if is_ours else None
        if ours is None:
            return "not ours" if place.daemon() or answers(place.url) else "none"
        asyncio.run(end(ours, signal.SIGTERM, _STOP_GRACE))
        end_orphaned_steps(place.cgroup)
        place.marker.unlink(missing_ok=True)
        return "stopped"


def _refuse_what_is_not_ours_to_mend(place: EnginePlace) -> None:
    if not may_use(place.socket):
        raise CannotStart(
            f"this user may not use the Docker engine at {place.socket}:"
            " add it to the group (`sudo usermod -aG docker $USER`), log in anew, and run this again"
        )
    if os.geteuid() != 0:
        raise CannotStart(f"no Docker engine answers at {place.socket}, and only root can start one. {_HOW_TO_INSTALL}")


def _install(environment: Mapping[str, str], say: Say) -> None:
    if _find_daemon() and shutil.which("iptables", path=_SBIN):
        return
    if not debian_packages.can_install():
        raise CannotStart(f"there is no Docker engine on this machine. {_HOW_TO_INSTALL}")
    say(f"installing {' '.join(PACKAGES)} (apt)")
    debian_packages.install(PACKAGES, environment)


def _find_daemon() -> str | None:
    return shutil.which(DAEMON, path=f"{_SBIN}:/usr/local/bin:/usr/bin")


def _start(place: EnginePlace, environment: Mapping[str, str], say: Say, wait: timedelta) -> None:
    for _ in range(_TRIES):
        silent = place.daemon()
        if silent:
            say(f"a Docker engine (pid {silent.pid}) lives but does not answer; waiting for it")
            if _answers_within(place, silent, wait):
                return
            if silent != place.our_daemon() and silent.is_alive():
                raise CannotStart(
                    f"the Docker engine with pid {silent.pid}, which Slipway did not start, does not answer; restart it"
                )
            asyncio.run(end(silent, signal.SIGTERM, timedelta(seconds=5)))
        _clear_up(place, say)
        began = time.monotonic()
        daemon = _spawn(place, environment)
        if daemon and _answers_within(place, daemon, wait):
            say(f"started the Docker engine in {time.monotonic() - began:.1f} s")
            return
    raise CannotStart(f"the Docker engine does not start; its log, {place.log}, ends with:\n{tail(place.log)}")


def _answers_within(place: EnginePlace, daemon: ProcessIdentity, wait: timedelta) -> bool:
    deadline = time.monotonic() + wait.total_seconds()
    while time.monotonic() < deadline:
        if answers(place.url, patience=1.0):
            return True
        if not daemon.is_alive():
            return False
        time.sleep(_LOOK_AGAIN)
    return False


def _clear_up(place: EnginePlace, say: Say) -> None:
    """Remove what a killed engine left and the next one stumbles over. Call it only when none lives here."""
    place.pid_file.unlink(missing_ok=True)  # its number may be another process's by now
    place.socket.unlink(missing_ok=True)
    # containerd dies with its dockerd, but where pid 1 reaps late its pid file names a zombie; dockerd takes that for
    # a live containerd, and gives up after 15 s ("timeout waiting for containerd to start").
    if containerd := process_in(place.containerd_pid_file, "containerd"):
        asyncio.run(end(containerd, signal.SIGTERM, timedelta(seconds=3)))
    place.containerd_pid_file.unlink(missing_ok=True)
    if ended := end_orphaned_steps(place.cgroup):
        say(f"ended {ended} processes of build steps that a killed engine left")


def _spawn(place: EnginePlace, environment: Mapping[str, str]) -> ProcessIdentity | None:
    """Start dockerd in a session of its own; None when it ended at once."""
    kept = {name: value for name, value in environment.items() if not name.startswith(_SECRETS)}
    program = _find_daemon() or DAEMON
    told = kept | dict(most_of(_version(program))) | {"PATH": f"{kept.get('PATH', '/usr/bin:/bin')}:{_SBIN}"}
    where = (f"--host={place.url}", f"--data-root={place.data_root}", f"--exec-root={place.exec_root}")
    # cgroupfs: with systemd's driver the parent would have to be a slice
    group = (f"--cgroup-parent={place.cgroup}", "--exec-opt=native.cgroupdriver=cgroupfs")
    output = open_log(place.log)
    try:
        process = subprocess.Popen(
            (*place.before, program, *where, f"--pidfile={place.pid_file}", *group, *place.words),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=told,
            start_new_session=True,
        )
    finally:
        os.close(output)
    process.returncode = 0  # it outlives us: nobody here will wait for it
    daemon = ProcessIdentity.of(process.pid)
    if daemon:
        place.mark_as_ours(daemon)
    return daemon


def _version(program: str) -> str:
    try:
        told = subprocess.run((program, "--version"), capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""  # the start itself will say more
    return told.stdout
