"""Steps of a build as an engine tells of them."""

from collections.abc import Iterable

from activities.adapters.docker.progress.status import TraceStatus, TraceVertex
from activities.adapters.docker.progress.step_log import StepLog

BASE = TraceVertex("base", "[1/3] FROM docker.io/library/busybox:1.36")
COPY = TraceVertex("copy", "[2/3] COPY . /")
MAKE = TraceVertex("make", "[3/3] RUN make")
LEFT = TraceVertex("left", "[left 2/2] RUN left")
RIGHT = TraceVertex("right", "[stage-1 2/2] RUN right")


def announced(*vertexes: TraceVertex) -> TraceStatus:
    return TraceStatus(vertexes)


def started(vertex: TraceVertex) -> TraceStatus:
    return announced(TraceVertex(vertex.digest, vertex.name, started=True))


def completed(vertex: TraceVertex, *, cached: bool = False, error: str = "") -> TraceStatus:
    return announced(TraceVertex(vertex.digest, vertex.name, cached, started=True, completed=True, error=error))


def rendered(log: StepLog, statuses: Iterable[TraceStatus]) -> bytes:
    return b"".join([log.feed(status) for status in statuses]) + log.finish()
