"""The log as people read it, made from the engine's trace: fed status by status, giving the log's next bytes.

Every byte that a step wrote stands in it, after redaction, in the order of writing; nothing but these lines is added:

- A step opens with its header, `Step 5/12 : RUN make`, on a line of its own. Steps of all stages are numbered as the
  engine announced them, those of one stage in their own order.
- Where the output goes over to another step, a header says so. Leaving a step that still runs costs one newline of
  ours, always, so that its output can be put together again byte by byte; leaving one that has ended costs a newline
  only where its last line lacks one. Steps that write at once take turns.
- ` ---> Using cache` under the header of a step that was not run, ` ---> Did not run` where the build failed before.
- `[output lost: …]` where the engine lost what came next.
"""

import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from activities.adapters.docker.progress.clip_mark import clipped_at
from activities.adapters.docker.progress.silence import Awaited, Silence
from activities.adapters.docker.progress.status import TraceLog, TraceStatus, TraceVertex
from activities.adapters.docker.progress.steps import Step, Steps, Vertex
from activities.adapters.docker.progress.turns import Turns
from activities.ports.engine import EngineProgress
from models.rules.redaction import Redactor

LOST = (
    "The engine lost a part of this log, because a step wrote faster than it can pass on; "
    "on the engine, BUILDKIT_STEP_LOG_MAX_SPEED=1048576 prevents this"
)
UNREADABLE = "The engine sent a part of this log in a form that could not be read"

_EXIT_CODE = re.compile(r"exit code: (\d{1,9})\s*\Z")
_CANCELLED = "context canceled"

_LONGEST_HEADER = 4000
_LONGEST_TITLE = 200
_TAIL_BYTES = 1000
_ANSI = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[@-Z\\-_]")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


@dataclass(frozen=True)
class StepFailure:
    """What went wrong in the engine. `step` is None where no Dockerfile step failed, but `vertex`, the engine's own."""

    error: str
    vertex: str
    step: str | None = None
    exit_code: int | None = None


class StepLog:
    """Give what `feed`, `due` and `finish` return to the log's file, in order; properties may be read at any time.

    While `is_holding`, ask `due` several times a second: of steps that write at once, those that wait come then.
    """

    def __init__(self, secrets: Iterable[str | bytes] = (), clock: Callable[[], float] = time.monotonic) -> None:
        secrets = tuple(secrets)
        self._redactor = Redactor(secrets)
        self._steps = Steps(secrets)
        self._turns: Turns[Step] = Turns(clock)
        self._silence = Silence(clock)
        self._undecided: list[TraceVertex] = []
        self._begun = 0
        self._current: Step | None = None
        self._is_line_start = True
        self._out: list[bytes] = []
        self._tail = b""
        self._clipped: dict[str, str] = {}
        self._lost: str | None = None

    @property
    def progress(self) -> EngineProgress:
        return EngineProgress(step=self._begun, steps=self._steps.count, last_line=_last_line(self._tail))

    @property
    def awaited(self) -> Awaited | None:
        """What has not come from elsewhere for a while."""
        return self._silence.awaited

    @property
    def is_holding(self) -> bool:
        return self._turns.is_holding

    @property
    def clips_at(self) -> str | None:
        """The limit at which the engine clipped a step's output, when it did."""
        return next(iter(self._clipped.values()), None)

    @property
    def log_loss(self) -> str | None:
        """A sentence when some of the log is missing."""
        if self._lost is not None:
            return self._lost
        if not self._clipped:
            return None
        title, limit = next(iter(self._clipped.items()))
        others = f" and of {len(self._clipped) - 1} more" if len(self._clipped) > 1 else ""
        return f"The engine clipped the output of {title}{others} at its limit of {limit}: part of the log is missing."

    def feed(self, status: TraceStatus) -> bytes:
        """Take one status and return the log's next bytes, often none."""
        self._steps.register(status.vertexes)
        self._silence.feed(status)
        speaking = {log.vertex for log in status.logs}
        undecided, self._undecided = self._undecided, []
        for seen in (*undecided, *status.vertexes):  # what came and went in silence stands before those that go on
            if seen.completed and seen.digest not in speaking:
                self._complete(seen)
        for log in status.logs:
            self._write(log)
        for seen in status.vertexes:
            if seen.completed and seen.digest in speaking:
                self._complete(seen)
        for seen in status.vertexes:
            if seen.started and not seen.is_assumed:
                self._open(self._steps.vertexes[seen.digest])
        return self.due()

    def due(self) -> bytes:
        """Return what has waited for its turn long enough."""
        if self._turns.is_holding:
            self._show(self._turns.due())
        return self._take()

    def finish(self) -> bytes:
        """Return what redaction and turns still held back. The build has ended."""
        for vertex in self._steps.vertexes.values():
            self._emit(vertex.step, vertex.redactor.flush())
        for vertex in self._steps.vertexes.values():
            self._write_now(vertex.step, self._turns.end(vertex.step))
        return self._take()

    def lose(self, sentence: str) -> bytes:
        """Note that the engine lost a part of the log, and return the line that says so; a repeat adds nothing."""
        if self._lost is not None:
            return b""
        for vertex in self._steps.vertexes.values():
            self._write_now(vertex.step, self._turns.end(vertex.step))
        self._lost = sentence
        self._append((b"" if self._is_line_start else b"\n") + f"[output lost: {sentence}]\n".encode())
        self._current = None
        return self._take()

    def failure(self, message: str) -> StepFailure | None:
        """Tell which vertex the engine means by its final error message, or which was the first to fail."""
        failed = [
            vertex for vertex in self._steps.vertexes.values() if vertex.error and not vertex.error.endswith(_CANCELLED)
        ]
        meant = next((vertex for vertex in failed if vertex.error in message), failed[0] if failed else None)
        if meant is None:
            return None
        exit_code = _EXIT_CODE.search(meant.error)
        return StepFailure(
            error=self.redacted(meant.error),
            vertex=self.redacted(meant.name),
            step=None if meant.step.number is None else self._title(meant.step),
            exit_code=int(exit_code[1]) if exit_code else None,
        )

    def redacted(self, text: str) -> str:
        return self._redactor.whole(text.encode()).decode(errors="replace")

    def _write(self, log: TraceLog) -> None:
        vertex = self._steps.vertexes.get(log.vertex)
        if vertex is None:  # never seen of an engine; its bytes are kept all the same
            vertex = self._steps.add(log.vertex, "output of a step that the engine did not announce")
        written = vertex.written_bytes.get(log.stream, 0)
        if limit := clipped_at(log.data, written):
            self._clipped.setdefault(self._title(vertex.step), limit)
        vertex.written_bytes[log.stream] = written + len(log.data)
        self._emit(vertex.step, vertex.redactor.feed(log.data))

    def _open(self, vertex: Vertex) -> None:
        """Show a step's header when it begins, even if it never writes; what is no step shows when it writes."""
        if vertex.step.number is not None and not vertex.step.is_open:
            self._go_over_to(vertex.step)

    def _complete(self, seen: TraceVertex) -> None:
        vertex = self._steps.vertexes[seen.digest]
        step = vertex.step
        self._emit(step, vertex.redactor.flush())
        if seen.is_assumed:
            if vertex.has_run:
                return  # it runs on
            if (did_not_run := self._steps.did_not_run(vertex)) is None:
                self._undecided.append(seen)
                return
        else:
            did_not_run = False
        self._open(vertex)
        if seen.cached and step.number is not None and not step.is_cached:
            step.is_cached = True
            self._begun -= did_not_run
            self._write_now(step, b" ---> Did not run\n" if did_not_run else b" ---> Using cache\n")
        vertex.is_completed = True
        if step.is_completed:
            self._write_now(step, self._turns.end(step))

    def _emit(self, step: Step, data: bytes) -> None:
        if data:
            self._show(self._turns.write(step, data))

    def _show(self, pieces: Iterable[tuple[Step, bytes]]) -> None:
        for step, data in pieces:
            self._write_now(step, data)

    def _write_now(self, step: Step, data: bytes) -> None:
        if data:
            if step is not self._current:
                self._go_over_to(step)
            self._append(data)

    def _go_over_to(self, step: Step) -> None:
        left = self._current
        if left is not None and (not left.is_completed or not self._is_line_start):
            self._append(b"\n")
        if step.number is not None and not step.is_open:
            self._begun += 1
        step.is_open = True
        self._current = step
        self._append(self._header(step, _LONGEST_HEADER).encode() + b"\n")
        self._turns.begin(step)

    def _header(self, step: Step, longest: int) -> str:
        what = step.what if len(step.what) <= longest else step.what[:longest] + " …"
        return what if step.number is None else f"Step {step.number}/{self._steps.count} : {what}"

    def _title(self, step: Step) -> str:
        return self._header(step, _LONGEST_TITLE)

    def _append(self, data: bytes) -> None:
        self._out.append(data)
        self._is_line_start = data.endswith(b"\n")

    def _take(self) -> bytes:
        taken = b"".join(self._out)
        self._out.clear()
        if taken:
            self._tail = (self._tail + taken[-_TAIL_BYTES:])[-_TAIL_BYTES:]
        return taken


def _last_line(tail: bytes) -> str:
    """Return the last line with something on it, as a terminal would leave it standing."""
    plain = _ANSI.sub("", tail.decode(errors="replace"))
    lines = (_CONTROL.sub("", line) for line in reversed(re.split(r"[\r\n]+", plain)))
    return next((line for line in lines if line.strip()), "")
