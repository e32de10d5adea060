"""One connection of a client: uvicorn's, with an answer in our form to what is no HTTP, and an end to every silence.

uvicorn by itself answers such a request in plain text, and waits for ever for the rest of a head or a body, and for a
reader that reads no more.
"""

import logging
import sys
import uuid
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from api.border.correlation import HEADER as CORRELATION_HEADER
from api.border.problems import PROBLEM_JSON, problem_body
from api.border.visitors.security_headers import security_headers

log = logging.getLogger(__name__)

LARGEST_HEAD_BYTES = 64 * 1024  # beyond what framing.py takes, so that what is refused does not hang on the segments
_LONGEST_REASON = 100
_LONGEST_LINGERING_SECONDS = 5.0


@dataclass(frozen=True)
class Patience:
    """How long a client may keep a connection without doing its part."""

    head: timedelta = timedelta(seconds=30)  # from a request's first byte, or from the start, to the head's end
    body_silence: timedelta = timedelta(seconds=30)  # between two pieces of a body
    body: timedelta = timedelta(minutes=10)  # for all of a body: 16 MiB at 28 kB/s
    reading: timedelta = timedelta(seconds=60)  # without taking one byte of an answer that lies ready


PATIENCE = Patience()
# while the server ends: nobody who keeps silent makes it wait for the whole of its time
_HURRY = Patience(head=timedelta(seconds=2), body_silence=timedelta(seconds=2), reading=timedelta(seconds=5))


class Connection(H11Protocol):
    """Looked at now and then by the server, which ends it when the client has kept it waiting for too long."""

    def __init__(self, *given: Any, patience: Patience, **named: Any) -> None:  # noqa: ANN401 - uvicorn's own
        super().__init__(*given, **named)
        self._patience = patience
        self._heard_at = self._began_at = self.loop.time()  # the latter: the head or body that is under way
        self._awaited: str | None = "start"
        self._unread_bytes, self._unread_since = 0, self._heard_at
        self._lingers_since: float | None = None

    def data_received(self, data: bytes) -> None:
        self._heard_at = self.loop.time()
        if self._lingers_since is not None:
            return  # it was told already; what it still sends is read so that the answer is not lost by a reset
        super().data_received(data)
        self._note_what_is_awaited()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._note_what_is_awaited()

    def shutdown(self) -> None:
        if self._lingers_since is not None:
            self.transport.close()
            return
        self._patience = _HURRY
        super().shutdown()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._unread_bytes = 0  # much was read since the last look

    def look(self) -> None:
        """End the connection if it is time to."""
        now = self.loop.time()
        if self._lingers_since is not None and now - self._lingers_since > _LONGEST_LINGERING_SECONDS:
            self.transport.abort()
        elif self._is_unread_for(now) > self._patience.reading.total_seconds():
            log.info("reader_given_up", extra={"unread_bytes": self._unread_bytes})
            self.transport.abort()
        elif self._is_too_slow(now) and self._lingers_since is None and not self.transport.is_closing():
            self._end_waiting()

    def send_400_response(self, msg: str) -> None:
        """Answer for what h11 refuses; uvicorn calls this while it handles that error."""
        error = sys.exception()
        hint = error.error_status_hint if isinstance(error, h11.RemoteProtocolError) else HTTPStatus.BAD_REQUEST
        if hint == HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE:
            self._refuse(hint, "head_too_large", f"The request's head is larger than {LARGEST_HEAD_BYTES // 1024} KiB.")
            return
        # what stands behind a colon is what was sent
        reason = str(error or msg).partition(":")[0][:_LONGEST_REASON]
        self._refuse(hint, "request_malformed", f"This is no request of HTTP/1.1: {reason[:1].lower()}{reason[1:]}.")

    def _note_what_is_awaited(self) -> None:
        awaited = None
        if self.conn.their_state is h11.SEND_BODY:
            awaited = "body"
        elif self.conn.their_state is h11.IDLE and self.conn.trailing_data[0]:
            awaited = "head"
        if awaited != self._awaited:
            self._awaited, self._began_at = awaited, self.loop.time()

    def _is_too_slow(self, now: float) -> bool:
        if self._awaited == "body":
            is_ours = self.flow.read_paused  # the app has not taken yet what came
            silence = 0.0 if is_ours else now - self._heard_at
            wanted = self._patience
            return silence > wanted.body_silence.total_seconds() or now - self._began_at > wanted.body.total_seconds()
        return self._awaited is not None and now - self._began_at > self._patience.head.total_seconds()

    def _is_unread_for(self, now: float) -> float:
        """Return for how many seconds the client has taken nothing of what lies ready for it."""
        # else the app may add to what lies there, so that its size tells nothing; it is bounded then
        nobody_adds = self.flow.write_paused or self.transport.is_closing()
        unread_bytes = self.transport.get_write_buffer_size() if nobody_adds else 0
        if unread_bytes == 0 or unread_bytes < self._unread_bytes or self._unread_bytes == 0:
            self._unread_since = now
        self._unread_bytes = unread_bytes
        return now - self._unread_since

    def _end_waiting(self) -> None:
        if self._awaited == "start":
            self.transport.close()  # it never asked for anything
            return
        detail = f"The request's {self._awaited} did not come to its end in time; send it again, and faster."
        self._refuse(HTTPStatus.REQUEST_TIMEOUT, "request_timeout", detail)

    def _refuse(self, status: int, code: str, detail: str) -> None:
        """Answer, unless an answer is under way already, and let the connection go."""
        log.info("request_refused_by_server", extra={"status": int(status), "code": code})
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is not None and not cycle.response_complete:  # the app waits for the rest of this request
            cycle.disconnected = True
            cycle.message_event.set()
        if self.conn.our_state not in {h11.IDLE, h11.SEND_RESPONSE}:
            self.transport.close()
            return
        correlation_id = uuid.uuid4().hex
        body = problem_body({"state": {"correlation_id": correlation_id}}, status, code, detail)
        told = {
            "Content-Type": PROBLEM_JSON,
            "Content-Length": str(len(body)),
            "Connection": "close",
            CORRELATION_HEADER: correlation_id,
            **security_headers(""),
        }
        headers = [
            *self.server_state.default_headers,
            *((name.encode(), value.encode()) for name, value in told.items()),
        ]
        start = h11.Response(status_code=status, headers=headers, reason=HTTPStatus(status).phrase.encode())
        for event in (start, h11.Data(data=body), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
        self._linger()

    def _linger(self) -> None:
        """Close our side, and leave the other to the client for a moment: a reset would destroy the answer."""
        self._lingers_since = self.loop.time()
        self._awaited = None
        self.flow.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        else:
            self.transport.close()
