"""The log as people read it, made from the engine's trace: pure, fed status by status, giving the log's next bytes.

Every byte that a step wrote stands in it, after redaction, in the order of writing; nothing but these lines is added:

- A step opens with its header, `Step 5/12 : RUN make`, on a line of its own. Steps of all stages are numbered as the
  engine announced them, those of one stage in their own order.
- Where the output goes over to another step, a header says so. Leaving a step that still runs costs one newline of
  ours, always, so that its output can be put together again byte by byte; leaving one that has ended costs a newline
  only where its last line lacks one.
- ` ---> Using cache` under the header of a step that was not run.
- `[output lost: …]` where the engine lost what came next.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from activities.adapters.docker.progress.trace import TraceLog, TraceStatus, TraceVertex
from activities.ports.engine import EngineProgress
from models.rules.redaction import Redactor

_STEP_NAME = re.compile(r"\[(?:(?P<stage>[^\]]*\S) )? *(?P<place>\d+)/\d+\] (?P<what>.+)", re.DOTALL)
_EXIT_CODE = re.compile(r"exit code: (\d+)\s*\Z")
_CANCELLED = "context canceled"

# The engine puts its mark at the end of the message that it cut.
_CLIP_MARK = re.compile(
    rb"\n?\[output clipped, log limit (?P<limit>-?[\d.]+)(?P<unit>[KMGTP]?i?B)(?:/s)? reached\]\n\Z"
)
_CLIP_MARK_END = b" reached]\n"
_UNIT_BYTES = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
_MARK_PRECISION = 0.0005  # the mark gives its limit in four digits

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


@dataclass
class _Vertex:
    name: str
    number: int | None
    what: str
    redactor: Redactor
    is_open: bool = False
    is_completed: bool = False
    is_cached: bool = False
    error: str = ""
    written_bytes: dict[int, int] = field(default_factory=dict)  # by stream


class StepLog:
    """Give what `feed` and `finish` return to the log's file, in order; the properties may be read at any time."""

    def __init__(self, secrets: Iterable[str | bytes] = ()) -> None:
        self._secrets = tuple(secrets)
        self._redactor = Redactor(self._secrets)
        self._vertexes: dict[str, _Vertex] = {}
        self._steps = 0
        self._begun = 0
        self._current: _Vertex | None = None
        self._is_line_start = True
        self._out: list[bytes] = []
        self._tail = b""
        self._clipped: dict[str, str] = {}
        self._lost: str | None = None

    @property
    def progress(self) -> EngineProgress:
        return EngineProgress(step=self._begun, steps=self._steps, last_line=_last_line(self._tail))

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
        self._register(status.vertexes)
        speaking = {log.vertex for log in status.logs}
        for vertex in status.vertexes:  # what came and went in silence stands before those that go on
            if vertex.completed and vertex.digest not in speaking:
                self._open(self._vertexes[vertex.digest])
                self._complete(vertex)
        for log in status.logs:
            self._write(log)
        for vertex in status.vertexes:
            if vertex.completed:
                self._open(self._vertexes[vertex.digest])
                self._complete(vertex)
        for vertex in status.vertexes:
            if vertex.started:
                self._open(self._vertexes[vertex.digest])
        return self._take()

    def finish(self) -> bytes:
        """Return what redaction still held back. The build has ended."""
        for vertex in self._vertexes.values():
            self._emit(vertex, vertex.redactor.flush())
        return self._take()

    def lose(self, sentence: str) -> bytes:
        """Note that the engine lost a part of the log, and return the line that says so; a repeat adds nothing."""
        if self._lost is not None:
            return b""
        self._lost = sentence
        self._append((b"" if self._is_line_start else b"\n") + f"[output lost: {sentence}]\n".encode())
        self._current = None
        return self._take()

    def failure(self, message: str) -> StepFailure | None:
        """Tell which vertex the engine means by its final error message, or which was the first to fail."""
        failed = [
            vertex for vertex in self._vertexes.values() if vertex.error and not vertex.error.endswith(_CANCELLED)
        ]
        meant = next((vertex for vertex in failed if vertex.error in message), failed[0] if failed else None)
        if meant is None:
            return None
        exit_code = _EXIT_CODE.search(meant.error)
        return StepFailure(
            error=self.redacted(meant.error),
            vertex=self.redacted(meant.name),
            step=None if meant.number is None else self._title(meant),
            exit_code=int(exit_code[1]) if exit_code else None,
        )

    def redacted(self, text: str) -> str:
        return self._redactor.whole(text.encode()).decode(errors="replace")

    def _register(self, announced: Iterable[TraceVertex]) -> None:
        new = {seen.digest: seen.name for seen in announced if seen.digest not in self._vertexes}
        for digest in _in_stage_order(new):
            self._vertexes[digest] = self._new_vertex(new[digest])
        for seen in announced:
            vertex = self._vertexes[seen.digest]
            vertex.error = vertex.error or seen.error

    def _new_vertex(self, name: str) -> _Vertex:
        step = _STEP_NAME.fullmatch(name)
        what = " ".join(self.redacted(step["what"] if step else name).split())
        if step is not None:
            self._steps += 1
        return _Vertex(name, self._steps if step else None, _CONTROL.sub("", what), Redactor(self._secrets))

    def _write(self, log: TraceLog) -> None:
        vertex = self._vertexes.get(log.vertex)
        if vertex is None:  # never seen of an engine; its bytes are kept all the same
            vertex = self._vertexes[log.vertex] = self._new_vertex("output of a step that the engine did not announce")
        written = vertex.written_bytes.get(log.stream, 0)
        if log.data.endswith(_CLIP_MARK_END):
            self._look_for_clip_mark(vertex, log.data, written)
        vertex.written_bytes[log.stream] = written + len(log.data)
        self._emit(vertex, vertex.redactor.feed(log.data))

    def _look_for_clip_mark(self, vertex: _Vertex, data: bytes, written: int) -> None:
        """Tell the engine's mark from one that the step itself printed.

        The engine cuts a stream when the whole seconds of the step's life, times the limit, are used up; so what
        came before the first mark is a multiple of the limit. A limit below zero is a setting gone wrong (`-1`): the
        engine then clips all.
        """
        mark = _CLIP_MARK.search(data)
        if mark is None:
            return
        limit = float(mark["limit"]) * _UNIT_BYTES[mark["unit"].decode()]
        whole = written + mark.start()
        if limit > 0:
            times = round(whole / limit)
            if times < 1 or abs(whole - times * limit) > times * limit * _MARK_PRECISION:
                return
        self._clipped.setdefault(self._title(vertex), data[mark.start("limit") :].split(b" ", 1)[0].decode())

    def _open(self, vertex: _Vertex) -> None:
        """Show a step's header when it begins, even if it never writes; what is no step shows when it writes."""
        if vertex.number is not None and not vertex.is_open:
            self._go_over_to(vertex)

    def _complete(self, seen: TraceVertex) -> None:
        vertex = self._vertexes[seen.digest]
        self._emit(vertex, vertex.redactor.flush())
        if seen.cached and vertex.number is not None and not vertex.is_cached:
            vertex.is_cached = True
            self._emit(vertex, b" ---> Using cache\n")
        vertex.is_completed = True

    def _emit(self, vertex: _Vertex, data: bytes) -> None:
        if data:
            if vertex is not self._current:
                self._go_over_to(vertex)
            self._append(data)

    def _go_over_to(self, vertex: _Vertex) -> None:
        left = self._current
        if left is not None and (not left.is_completed or not self._is_line_start):
            self._append(b"\n")
        if vertex.number is not None and not vertex.is_open:
            self._begun += 1
        vertex.is_open = True
        self._current = vertex
        self._append(self._header(vertex, _LONGEST_HEADER).encode() + b"\n")

    def _header(self, vertex: _Vertex, longest: int) -> str:
        what = vertex.what if len(vertex.what) <= longest else vertex.what[:longest] + " …"
        return what if vertex.number is None else f"Step {vertex.number}/{self._steps} : {what}"

    def _title(self, vertex: _Vertex) -> str:
        return self._header(vertex, _LONGEST_TITLE)

    def _append(self, data: bytes) -> None:
        self._out.append(data)
        self._is_line_start = data.endswith(b"\n")

    def _take(self) -> bytes:
        taken = b"".join(self._out)
        self._out.clear()
        if taken:
            self._tail = (self._tail + taken[-_TAIL_BYTES:])[-_TAIL_BYTES:]
        return taken


def _in_stage_order(names: Mapping[str, str]) -> list[str]:
    """Order digests as announced, except that the steps of a stage follow one another: the engine shuffles them."""
    steps = {digest: step for digest, name in names.items() if (step := _STEP_NAME.fullmatch(name))}
    stages: dict[str | None, list[str]] = {}
    for digest in sorted(steps, key=lambda digest: int(steps[digest]["place"]), reverse=True):
        stages.setdefault(steps[digest]["stage"], []).append(digest)
    return [stages[steps[digest]["stage"]].pop() if digest in steps else digest for digest in names]


def _last_line(tail: bytes) -> str:
    """Return the last line with something on it, as a terminal would leave it standing."""
    plain = _ANSI.sub("", tail.decode(errors="replace"))
    lines = (_CONTROL.sub("", line) for line in reversed(re.split(r"[\r\n]+", plain)))
    return next((line for line in lines if line.strip()), "")
