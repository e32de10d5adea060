"""HTTP with the engine for what docker-py does not know: a build by BuildKit, and its end by a cancel.

The answer to a build is handed out raw, as it comes from the socket, so that reading it costs next to nothing;
`ChunkedBody` takes the HTTP framing off later, elsewhere.
"""

import contextlib
import io
import json
import socket
from http.client import HTTPConnection, HTTPException, parse_headers
from urllib.parse import urlsplit

from activities.adapters.docker.progress.engine_words import plain
from activities.adapters.docker.progress.facts import DOCKER_ROOT
from models.rules.errors.engine import EngineRefused, EngineUnreachable

_CONNECT_SECONDS = 5.0
_ASK_SECONDS = 10.0
# The engine takes the context as fast as its disk does and answers once it has all of it: silence this long is a fault.
_CONTEXT_SECONDS = 120.0
_SENT_AT_ONCE = 256 * 1024
_LONGEST_HEAD = 64 * 1024
_LONGEST_REFUSAL = 64 * 1024
_OK, _BAD_GATEWAY = 200, 502


class AnsweredEarly(Exception):
    """The engine takes no more of the request: its answer says why."""


class ChunkedBody:
    """Takes HTTP's chunked framing off. `is_whole` tells an answer that ended from one that broke off."""

    def __init__(self) -> None:
        self.is_whole = False
        self._left = 0
        self._rest = b"\r\n"  # a size line then always stands between two line ends, also the first

    def feed(self, raw: bytes) -> bytes:
        """Return the body's next bytes. Raises EngineUnreachable where the framing makes no sense."""
        data = self._rest + raw
        at = 0
        parts = []
        while not self.is_whole:
            if self._left:
                parts.append(data[at : at + self._left])
                at += len(parts[-1])
                self._left -= len(parts[-1])
            line_end = -1 if self._left else data.find(b"\r\n", at + 2)
            if line_end < 0:
                break
            self._left = _chunk_size(data[at + 2 : line_end])
            self.is_whole = self._left == 0
            at = line_end + 2
        self._rest = data[at:]
        return b"".join(parts)


class BuildExchange:
    """One `POST /build`: open, send the context, read the answer. Blocks; `shutdown` may come from another thread."""

    def __init__(self, engine_url: str, path: str) -> None:
        self._connection = _connection(engine_url, _CONNECT_SECONDS)
        self._path = path
        self._unsent = bytearray()
        self._is_shut = False

    def open(self) -> None:
        """Connect and begin the request. Raises EngineUnreachable."""
        try:
            self._connection.connect()
            if self._is_shut:
                self.shutdown()  # it was asked for before there was a socket
            self._connection.sock.settimeout(_CONTEXT_SECONDS)
            self._connection.putrequest("POST", self._path)
            self._connection.putheader("Content-Type", "application/x-tar")
            self._connection.putheader("Transfer-Encoding", "chunked")
            self._connection.putheader("Connection", "close")
            self._connection.endheaders()
        except OSError as error:
            raise _unreachable(error) from error

    def send(self, data: bytes) -> None:
        """Send a piece of the context. Raises AnsweredEarly, EngineUnreachable."""
        self._unsent += data
        if len(self._unsent) >= _SENT_AT_ONCE:
            self._send_chunk()

    def end_request(self) -> None:
        """Raise AnsweredEarly, EngineUnreachable as send does."""
        if self._unsent:
            self._send_chunk()
        self._send_raw(b"0\r\n\r\n")

    def answer(self) -> bytes:
        """Wait for the answer's head and return what came of the body with it, raw.

        A build may be silent for hours afterwards, so reads have no limit from here on. Raises EngineRefused and
        EngineUnreachable with what the engine says.
        """
        try:
            head, body = self._head()
            status_line, _, fields = head.partition(b"\r\n")
            status = int(status_line.split()[1])
            headers = parse_headers(io.BytesIO(fields + b"\r\n\r\n"))
            if status != _OK:
                raise _refusal(status, self._whole(body))
        except (OSError, HTTPException, ValueError, IndexError) as error:
            raise _unreachable(error) from error
        if headers.get("Transfer-Encoding", "").lower() != "chunked":
            raise EngineUnreachable("The Docker engine's answer to a build is no stream; is a proxy in between?")
        self._connection.sock.settimeout(None)
        return body

    def read_into(self, buffer: memoryview) -> int:
        """Wait for the answer's next raw bytes; 0 at the end, however it came."""
        try:
            return self._connection.sock.recv_into(buffer)
        except OSError:
            return 0

    def shutdown(self) -> None:
        """Hang up, which also ends the build in the engine; whoever reads sees the end. A repeat is harmless."""
        self._is_shut = True
        connected = self._connection.sock
        if connected is not None:
            with contextlib.suppress(OSError):  # the other side was faster
                connected.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._connection.close()

    def _send_chunk(self) -> None:
        chunk = b"%x\r\n%b\r\n" % (len(self._unsent), bytes(self._unsent))
        self._unsent.clear()
        self._send_raw(chunk)

    def _send_raw(self, data: bytes) -> None:
        try:
            self._connection.sock.sendall(data)
        except TimeoutError as error:
            raise _unreachable(error) from error
        except OSError as error:
            raise AnsweredEarly from error

    def _head(self) -> tuple[bytes, bytes]:
        received = b""
        while b"\r\n\r\n" not in received:
            piece = self._connection.sock.recv(_LONGEST_HEAD)
            received += piece
            if not piece or len(received) > _LONGEST_HEAD:
                raise ConnectionError("the connection ended before the engine answered")
        head, _, body = received.partition(b"\r\n\r\n")
        return head, body

    def _whole(self, body: bytes) -> bytes:
        """Collect a refusal: the engine closes after it, or falls silent, which is enough too."""
        self._connection.sock.settimeout(1.0)
        with contextlib.suppress(OSError):
            while b"}" not in body and len(body) < _LONGEST_REFUSAL:
                piece = self._connection.sock.recv(_LONGEST_REFUSAL)
                if not piece:
                    break
                body += piece
        return body


def ask(engine_url: str, method: str, path: str) -> None:
    """Make one short request whose answer's body does not matter. Raises EngineRefused, EngineUnreachable."""
    connection = _connection(engine_url, _ASK_SECONDS)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        body = response.read(_LONGEST_REFUSAL)
    except (OSError, HTTPException) as error:
        raise _unreachable(error) from error
    finally:
        connection.close()
    if response.status >= 400:  # noqa: PLR2004 - HTTP's own border
        raise _refusal(response.status, body)


class _UnixConnection(HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        unix = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        unix.settimeout(self.timeout)
        try:
            unix.connect(self._path)
        except OSError:
            unix.close()
            raise
        self.sock = unix


def _connection(engine_url: str, timeout: float) -> HTTPConnection:
    """Return an unconnected connection. Raises EngineRefused for an address that is neither a socket nor plain TCP."""
    parts = urlsplit(engine_url)
    if parts.scheme == "unix" and parts.path:
        return _UnixConnection(parts.path, timeout)
    if parts.scheme in ("tcp", "http") and parts.hostname:
        return HTTPConnection(parts.hostname, parts.port or 2375, timeout=timeout)
    raise EngineRefused(f"The engine's address {engine_url} is not one that Slipway speaks: use unix:///… or tcp://….")


def _unreachable(error: Exception) -> EngineUnreachable:
    return EngineUnreachable(f"The Docker engine does not answer: {str(error) or type(error).__name__}.")


def _refusal(status: int, body: bytes) -> EngineRefused | EngineUnreachable:
    start, end = body.find(b"{"), body.rfind(b"}") + 1
    try:
        message = str(json.loads(body[start:end])["message"])
    except (ValueError, KeyError, TypeError):
        message = body.decode(errors="replace").strip()
    said = f"The Docker engine answered {status}: {plain(message, DOCKER_ROOT)}"
    return EngineUnreachable(said) if status >= _BAD_GATEWAY else EngineRefused(said)


def _chunk_size(size_line: bytes) -> int:
    try:
        return int(size_line.split(b";", 1)[0], 16)
    except ValueError as error:
        raise EngineUnreachable("The Docker engine's answer is damaged: it is not HTTP any more.") from error
