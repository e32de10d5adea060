"""Where a Docker engine lives on this machine: its socket, folders, process and part of the cgroup tree."""

import json
import os
import socket
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from standalone.processes import ProcessIdentity

DAEMON = "dockerd"
_DEFAULT_DATA_ROOT = Path("/var/lib/docker")


@dataclass(frozen=True)
class EnginePlace:
    """The machine's own engine, by default; tests make a second one elsewhere.

    `cgroup` is ours alone: sweeps for orphaned build steps stay below it, so two engines of one host do not end each
    other's work. `words` are further arguments for dockerd; `before` is a command that becomes it (unshare, say).
    """

    socket: Path = Path("/var/run/docker.sock")
    data_root: Path = _DEFAULT_DATA_ROOT
    exec_root: Path = Path("/var/run/docker")
    pid_file: Path = Path("/var/run/docker.pid")
    log: Path = Path("/var/log/slipway-engine.log")
    lock: Path = Path("/run/slipway-engine.lock")
    marker: Path = Path("/run/slipway-engine.json")
    cgroup: str = "/slipway-engine"
    words: tuple[str, ...] = ()
    before: tuple[str, ...] = ()

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    @property
    def containerd_pid_file(self) -> Path:
        return self.exec_root / "containerd" / "containerd.pid"

    def our_daemon(self) -> ProcessIdentity | None:
        """Return the daemon that we started here, while it lives."""
        with suppress(OSError, ValueError, TypeError):
            ours = ProcessIdentity(**json.loads(self.marker.read_text()))
            return ours if ours.is_alive() else None
        return None

    def mark_as_ours(self, daemon: ProcessIdentity) -> None:
        self.marker.write_text(json.dumps(asdict(daemon)))

    def daemon(self) -> ProcessIdentity | None:
        """Return the daemon that lives here, whoever started it and whether it answers or not.

        Seen by its arguments as well as by the pid file: that may be gone, or name another process by now.
        """
        by_file = process_in(self.pid_file, DAEMON)
        return by_file or next((found for found in _processes(DAEMON) if _data_root(found) == self.data_root), None)


def answers(url: str, patience: float = 3.0) -> bool:
    """Tell whether a Docker engine answers there in time: one cheap request."""
    try:  # by hand: httpx leaks the socket of a refused Unix connection
        with _connection(url, patience) as connection, connection.makefile("rb") as reader:
            connection.sendall(b"GET /_ping HTTP/1.0\r\nHost: engine\r\n\r\n")
            answer = reader.read()
    except OSError:
        return False
    return answer.startswith(b"HTTP/1.") and answer.endswith(b"\r\n\r\nOK")


def _connection(url: str, patience: float) -> socket.socket:
    parts = urlsplit(url)
    if parts.scheme != "unix":
        return socket.create_connection((parts.hostname or "", parts.port or 2375), timeout=patience)
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(patience)
    try:
        connection.connect(parts.path)
    except OSError:
        connection.close()
        raise
    return connection


def process_in(pid_file: Path, name: str) -> ProcessIdentity | None:
    """Return the living process that a pid file names, when it is called `name`; zombies do not live."""
    with suppress(OSError, ValueError, psutil.Error):
        pid = int(pid_file.read_text())
        return ProcessIdentity.of(pid) if psutil.Process(pid).name() == name else None
    return None


def _processes(name: str) -> list[ProcessIdentity]:
    pids = [process.pid for process in psutil.process_iter(["name"]) if process.info["name"] == name]
    found = [ProcessIdentity.of(pid) for pid in pids if not _is_inside_a_container(pid)]
    return [process for process in found if process]


def _is_inside_a_container(pid: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/ns/pid").readlink() != Path("/proc/self/ns/pid").readlink()
    return True


def _data_root(daemon: ProcessIdentity) -> Path:
    with suppress(psutil.Error):
        words = psutil.Process(daemon.pid).cmdline()
        for word, following in zip(words, [*words[1:], ""], strict=True):
            if word.startswith("--data-root"):
                return Path(word.partition("=")[2] or following)
    return _DEFAULT_DATA_ROOT


def may_use(socket: Path) -> bool:
    """Tell whether this user may talk to the socket at all; True when there is none."""
    return not socket.exists() or os.access(socket, os.R_OK | os.W_OK)
