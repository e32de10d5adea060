"""TCP ports on 127.0.0.1, the only address that standalone listens on."""

import itertools
import os
import socket

LOOPBACK = "127.0.0.1"
# below 32768, where Linux begins to take ports for outgoing connections: one of those might come first
_FIRST, _COUNT = 20_000, 12_000
_BLOCK = 200  # processes that look at once begin apart
_numbers = itertools.count()


def free_port() -> int:
    """Return a port that is free and was not given before; for tests and the bench, which take what they get."""
    for number in itertools.islice(_numbers, _COUNT):
        port = _FIRST + (os.getpid() * _BLOCK + number) % _COUNT
        if not is_taken(port):
            return port
    raise OSError(f"no port from {_FIRST} to {_FIRST + _COUNT} is free")


def is_taken(port: int) -> bool:
    """Tell whether a program listens on this port, on loopback or on every address."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # closed connections in TIME_WAIT do not count
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return True
        return False
