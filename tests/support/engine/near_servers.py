"""Servers where an engine's builds find them on 127.0.0.1: an engine of ours has a network of its own."""

import ctypes
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.support.engine.engines_under_test import MACHINE_ENGINE_URL

_CLONE_NEWNET = 0x40000000


@contextmanager
def silent_server(engine_url: str) -> Iterator[int]:
    """Yield the port of a server that accepts, by its backlog, and never says a word."""
    with _listening(engine_url) as listener:
        yield listener.getsockname()[1]


@contextmanager
def http_server(engine_url: str, answer: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[int]:
    """Yield the port of a server whose answers to GET and HEAD a test writes."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        default_request_version = "HTTP/1.1"  # so that an engine which tries TLS first is answered in HTTP

        def do_GET(self) -> None:
            answer(self)

        def do_HEAD(self) -> None:
            answer(self)

        def log_message(self, format: str, *args: object) -> None:
            """Tests show what matters."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler, bind_and_activate=False)
    server.daemon_threads = True
    server.socket.close()
    with _listening(engine_url) as server.socket:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server.socket.getsockname()[1]
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def _listening(engine_url: str) -> Iterator[socket.socket]:
    made: list[socket.socket] = []
    thread = threading.Thread(target=lambda: made.append(_listen(engine_url)))  # of its own: it changes networks
    thread.start()
    thread.join()
    (listener,) = made
    with listener:
        yield listener


def _listen(engine_url: str) -> socket.socket:
    if engine_url != MACHINE_ENGINE_URL:
        process = Path(engine_url.removeprefix("unix://")).with_name("docker.pid").read_text().strip()
        with Path(f"/proc/{process}/ns/net").open() as network:
            if ctypes.CDLL(None, use_errno=True).setns(network.fileno(), _CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return socket.create_server(("127.0.0.1", 0))
