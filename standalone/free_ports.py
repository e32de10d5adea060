"""TCP ports on 127.0.0.1, the only address that standalone listens on."""

import fcntl
import os
import socket
import tempfile
from functools import cache
from pathlib import Path

LOOPBACK = "127.0.0.1"
# below 32768, where Linux begins to take ports for outgoing connections: one of those might come first
_FIRST, _COUNT = 20_000, 12_000
_BLOCK = 200  # processes that look at once begin apart
_numbers = iter(range(_COUNT))


def free_port() -> int:
    """Return a port on which nobody listens now, and which no live process was given, this one included.

    For tests and the bench, which take what they get. It knows of this user's processes that share our folder for
    temporary files; any other program may still come first. Raises OSError when none is left.
    """
    for number in _numbers:
        port = _FIRST + (os.getpid() * _BLOCK + number) % _COUNT
        if claim(port) and not is_taken(port):
            return port
    raise OSError(f"no port from {_FIRST} to {_FIRST + _COUNT} is free")


def claim(port: int) -> bool:
    """Keep a port from other processes' `free_port` until this one ends; False when another one keeps it."""
    try:
        fcntl.lockf(_claims(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)  # one byte for each port
    except (BlockingIOError, PermissionError):  # POSIX lets a system raise either
        return False
    return True


@cache
def _claims() -> int:
    """Return a file's handle, which is never closed: with any handle of it all locks of the process would go."""
    path = Path(tempfile.gettempdir()) / f"slipway-ports-{os.getuid()}"
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


def is_taken(port: int) -> bool:
    """Tell whether a program listens on this port, on loopback or on every address."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # closed connections in TIME_WAIT do not count
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return True
        return False
