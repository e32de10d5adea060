"""The client's account of a build, from raw lines to log bytes and outcome; it reads one file, at the end."""

import binascii
import json
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from activities.adapters.docker.progress.engine_words import plain
from activities.adapters.docker.progress.facts import DOCKER_ROOT, EngineFacts
from activities.adapters.docker.progress.status import TraceLog, TraceStatus, TraceTransfer, TraceVertex
from activities.adapters.docker.progress.step_log import LOST, UNREADABLE, StepLog
from activities.adapters.docker.progress.verdict import build_failure, engine_went_away
from activities.ports.engine import EngineBuildRequest
from models.rules.errors.domain import DomainError
from models.rules.errors.engine import EngineRefused, EngineUnreachable

_EMPTY_STATUS = b"{}"
# Single empty statuses come now and then; so many in a row mean that the engine's own reading of the log has broken.
_EMPTY_STATUSES_OF_A_LOST_LOG = 300
_LAST_WORDS = b"ERROR: "
_MOST_WORDS = 64 * 1024
_NANOSECONDS = 1_000_000_000

_OF_THE_ENGINE = re.compile(r"failed to (?:solve|receive status): ")
_GONE = re.compile(_OF_THE_ENGINE.pattern + r"(?:rpc error: code = )?Unavailable\b")
_NOT_THERE = re.compile(r"Cannot connect to the Docker daemon|error during connect")


class ClientAccount:
    """Implements Account: BuildKit's statuses as JSON, a line each, then words when the build failed.

    `image_id` comes from the file `metadata`, which the client writes after a success.
    """

    def __init__(self, metadata: Path, target: str, secrets: Iterable[str | bytes] = ()) -> None:
        self.log = StepLog(secrets)
        self.image_id: str | None = None
        self._error = ""
        self._running: set[str] = set()
        self.is_whole = False
        self._metadata = metadata
        self._target = target
        self._line = b""
        self._indented: list[bytes] = []
        self._words = b""
        self._empty_statuses = 0

    @property
    def is_stuck(self) -> bool:
        return self._empty_statuses >= _EMPTY_STATUSES_OF_A_LOST_LOG

    @property
    def has_running_steps(self) -> bool:
        return bool(self._running)

    def feed(self, raw: bytes) -> bytes:
        """Return the log's next bytes."""
        *lines, self._line = (self._line + raw).split(b"\n")
        return b"".join([self._interpret(line) for line in lines])

    def due(self) -> bytes:
        return self.log.due()

    def finish(self) -> bytes:
        """Return the log's last bytes. The client has ended, or is given up."""
        last = self._interpret(self._line) if self._line else b""
        self._line = b""
        self.image_id = self.image_id or self._built()
        if self._words.startswith(_LAST_WORDS):
            words = self._words.removeprefix(_LAST_WORDS).removeprefix(b"failed to build: ")
            self._error = words.decode(errors="replace").strip()
        self.is_whole = bool(self.image_id or self._error)
        return last + self.log.finish()

    def failure(self, request: EngineBuildRequest, facts: EngineFacts) -> DomainError | None:
        """The last error counts; it is several lines long where the failing command is."""
        if self.image_id is not None:
            return None
        if not self._error:
            return EngineUnreachable("The client that drives the build ended before the build did.")
        if _NOT_THERE.match(self._error):
            return EngineUnreachable(f"The Docker engine does not answer the build's client: {self._said(request)}")
        if _GONE.match(self._error) and self.log.failure(self._error) is None:
            return engine_went_away()
        if not _OF_THE_ENGINE.match(self._error):
            return EngineRefused(f"The client that drives the build refuses it: {self._said(request)}")
        return build_failure(self._error, self.log, request, facts)

    def _said(self, request: EngineBuildRequest) -> str:
        """Return the client's own words without the builder host's folders."""
        said = self.log.redacted(self._error)
        for folder, words in ((self._metadata.parent, "the client's files"), (request.context_dir, "the context")):
            said = said.replace(str(folder), words)
        return plain(said, DOCKER_ROOT)

    def _interpret(self, line: bytes) -> bytes:
        if line == _EMPTY_STATUS:
            self._empty_statuses += 1
            return self.log.lose(LOST) if self.is_stuck else b""
        if self._words.startswith(_LAST_WORDS) or line.startswith(_LAST_WORDS):  # they may quote whatever was built
            return self._keep_words(line)
        if self._indented or line == b"{":  # older clients (0.13) spread a status over lines
            self._indented.append(line)
            if line != b"}":
                return b""
            line = b"".join(self._indented)
            self._indented.clear()
        if not line.startswith(b"{"):
            return self._keep_words(line)
        try:
            status = _status(json.loads(line))
        except (ValueError, TypeError, KeyError, AttributeError):
            return self.log.lose(UNREADABLE)
        if not self.is_stuck:  # once the log is lost, what still comes of it is no whole either
            self._empty_statuses = 0
        self._note_running(status.vertexes)
        return self.log.feed(status)

    def _keep_words(self, line: bytes) -> bytes:
        """Keep the beginning of the last words, and the end of others."""
        if line.startswith(_LAST_WORDS):
            self._words = b""
        kept = self._words + line + b"\n"
        self._words = kept[:_MOST_WORDS] if kept.startswith(_LAST_WORDS) else kept[-_MOST_WORDS:]
        return b""

    def _note_running(self, vertexes: tuple[TraceVertex, ...]) -> None:
        for vertex in vertexes:
            if vertex.completed:
                self._running.discard(vertex.digest)
            elif vertex.started:
                self._running.add(vertex.digest)

    def _built(self) -> str | None:
        try:
            return str(json.loads(self._metadata.read_bytes())[self._target]["containerimage.digest"])
        except (OSError, ValueError, KeyError, TypeError):
            return None


def _status(status: dict[str, Any]) -> TraceStatus:
    return TraceStatus(
        vertexes=tuple(
            TraceVertex(
                digest=vertex["digest"],
                name=vertex.get("name", ""),
                cached=vertex.get("cached", False),
                started=_nanoseconds(vertex.get("started")),
                completed=_nanoseconds(vertex.get("completed")),
                error=vertex.get("error", ""),
                inputs=tuple(vertex.get("inputs") or ()),
            )
            for vertex in status.get("vertexes") or ()
        ),
        logs=tuple(
            TraceLog(vertex=log["vertex"], data=binascii.a2b_base64(log.get("data") or ""), stream=log.get("stream", 1))
            for log in status.get("logs") or ()
        ),
        transfers=tuple(
            TraceTransfer(vertex=transfer["vertex"], name=transfer.get("id", ""), done=transfer.get("current", 0))
            for transfer in status.get("statuses") or ()
        ),
    )


def _nanoseconds(moment: str | None) -> int:
    """Return nanoseconds since 1970 for "2026-11-27T00:06:15.737684084Z", and 0 for none."""
    if moment is None:
        return 0
    whole, _, fraction = moment.removesuffix("Z").partition(".")
    seconds = int(datetime.fromisoformat(whole).replace(tzinfo=UTC).timestamp())
    return seconds * _NANOSECONDS + int(fraction.ljust(9, "0"))
