"""An engine for the faults that a real one shows too rarely: real HTTP on a real socket, answers written by tests."""

import json
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path

IMAGE_ID = "sha256:" + "a" * 64
IMAGE_LINE = b'{"id":"moby.image.id","aux":{"ID":"' + IMAGE_ID.encode() + b'"}}\r\n'
EMPTY_TRACE = b'{"id":"moby.buildkit.trace","aux":""}\r\n'


class Answer:
    """The answer to one build, as a test's script writes it; where the script ends, the connection does."""

    def __init__(self, handler: BaseHTTPRequestHandler) -> None:
        self._handler = handler

    def begin(self) -> None:
        self._handler.send_response(200)
        self._handler.send_header("Transfer-Encoding", "chunked")
        self._handler.end_headers()

    def write(self, data: bytes) -> None:
        self.write_raw(b"%x\r\n%b\r\n" % (len(data), data))

    def write_raw(self, data: bytes) -> None:
        self._handler.wfile.write(data)

    def end(self) -> None:
        self.write_raw(b"0\r\n\r\n")

    def refuse(self, status: int, message: str) -> None:
        body = json.dumps({"message": message}).encode()
        self._handler.send_response(status)
        self._handler.send_header("Content-Length", str(len(body)))
        self._handler.end_headers()
        self.write_raw(body)


@dataclass
class FakeEngine:
    url: str
    script: Callable[[Answer, "FakeEngine"], None]
    reads_context: bool = True
    has_image: bool = False
    is_cancelled: threading.Event = field(default_factory=threading.Event)
    client_hung_up: threading.Event = field(default_factory=threading.Event)


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True

    def __init__(self, path: Path, engine: FakeEngine) -> None:
        super().__init__(str(path), _Handler)
        self.engine = engine


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        super().setup()
        assert isinstance(self.server, _Server)
        self.engine = self.server.engine

    def do_GET(self) -> None:
        if self.path.endswith("/version"):
            self._reply(200, {"Version": "20.10.24", "ApiVersion": "1.41"})
        elif "/images/" in self.path and not self.engine.has_image:
            self._reply(404, {"message": "no such image"})
        else:
            self._reply(200, {"Id": IMAGE_ID})

    def do_POST(self) -> None:
        if "/build/cancel" in self.path:
            self.engine.is_cancelled.set()
            self._reply(200, {})
            return
        self.close_connection = True
        try:
            if self.engine.reads_context:
                self._read_context()
            self.engine.script(Answer(self), self.engine)
        except (BrokenPipeError, ConnectionResetError):
            self.engine.client_hung_up.set()

    def address_string(self) -> str:
        return "a unix socket"

    def log_message(self, format: str, *args: object) -> None:
        """Tests show what matters."""

    def _read_context(self) -> None:
        while size := int(self.rfile.readline(), 16):
            self.rfile.read(size + 2)
        self.rfile.readline()

    def _reply(self, status: int, content: object) -> None:
        self.close_connection = True
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def fake_engine(folder: Path, script: Callable[[Answer, FakeEngine], None]) -> Iterator[FakeEngine]:
    path = folder / "engine.sock"
    engine = FakeEngine(f"unix://{path}", script)
    with _Server(path, engine) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield engine
        finally:
            server.shutdown()
            thread.join()
