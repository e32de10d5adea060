"""The engine's answer to a build, from raw HTTP body to log bytes and outcome. Pure: it reads no socket and no file."""

import binascii
import json
from collections.abc import Iterable
from typing import Any

from activities.adapters.docker.plain.connection import ChunkedBody
from activities.adapters.docker.plain.trace import TraceMalformed, decode_status
from activities.adapters.docker.progress.facts import EngineFacts
from activities.adapters.docker.progress.step_log import LOST, UNREADABLE, StepLog
from activities.adapters.docker.progress.verdict import build_failure, engine_went_away
from activities.ports.engine import EngineBuildRequest
from models.rules.errors.domain import DomainError

_TRACE_BEGIN = b'{"id":"moby.buildkit.trace","aux":"'
_TRACE_END = b'"}'
_EMPTY_TRACE = _TRACE_BEGIN + _TRACE_END
# The engine sends single empty traces now and then; so many in a row mean that its own reading of the log has broken.
_EMPTY_TRACES_OF_A_LOST_LOG = 300


class EngineAnswer:
    """Feed it raw bytes of the answer in order; it gives the log's next bytes.

    `is_whole` tells whether the answer reached its end, `image_id` and `error` what the engine said of the build.
    `is_stuck` is True while the engine sends empty traces without end, which it does once it has lost the log; the
    build itself goes on then, and only a success is still announced.
    """

    def __init__(self, secrets: Iterable[str | bytes] = ()) -> None:
        self.log = StepLog(secrets)
        self.image_id: str | None = None
        self.error: str | None = None
        self._body = ChunkedBody()
        self._line = b""
        self._empty_traces = 0

    @property
    def is_whole(self) -> bool:
        return self._body.is_whole

    @property
    def is_stuck(self) -> bool:
        return self._empty_traces >= _EMPTY_TRACES_OF_A_LOST_LOG

    @property
    def has_running_steps(self) -> bool:
        return False  # the answer goes on until they have ended

    def feed(self, raw: bytes) -> bytes:
        """Return the log's next bytes. Raises EngineUnreachable where the answer is no HTTP."""
        *lines, self._line = (self._line + self._body.feed(raw)).split(b"\n")
        return b"".join([self._interpret(line.rstrip(b"\r")) for line in lines if line])

    def due(self) -> bytes:
        """Return what of the log has waited for its turn; ask while nothing comes."""
        return self.log.due()

    def finish(self) -> bytes:
        """Return the log's last bytes."""
        return self.log.finish()

    def failure(self, request: EngineBuildRequest, facts: EngineFacts) -> DomainError | None:
        if self.error is not None:
            return build_failure(self.error, self.log, request, facts)
        return None if self.image_id is not None else engine_went_away()

    def _interpret(self, line: bytes) -> bytes:
        if line == _EMPTY_TRACE:
            self._empty_traces += 1
            return self.log.lose(LOST) if self.is_stuck else b""
        if line.startswith(_TRACE_BEGIN) and line.endswith(_TRACE_END):  # nearly all lines: no need for a parser
            return self._trace(line[len(_TRACE_BEGIN) : -len(_TRACE_END)])
        return self._other(line)

    def _trace(self, aux: bytes | str) -> bytes:
        self._empty_traces = 0
        try:
            return self.log.feed(decode_status(binascii.a2b_base64(aux)))
        except (TraceMalformed, binascii.Error):
            return self.log.lose(UNREADABLE)

    def _other(self, line: bytes) -> bytes:
        try:
            message: Any = json.loads(line)
        except ValueError:
            return self.log.lose(UNREADABLE)
        if not isinstance(message, dict):
            return self.log.lose(UNREADABLE)
        aux = message.get("aux")
        if message.get("id") == "moby.buildkit.trace" and isinstance(aux, str):
            return self._trace(aux)
        if isinstance(aux, dict) and isinstance(aux.get("ID"), str):
            self.image_id = aux["ID"]
        if isinstance(message.get("error"), str):
            self.error = message["error"]
        return b""
