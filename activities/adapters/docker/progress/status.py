"""BuildKit's account of a build, by whatever way it came: what the log, the verdict and the watch on silence need."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TraceVertex:
    """One node of the build: a Dockerfile step, or something of the engine's own. Repeated as it changes.

    `started` and `completed` are nanoseconds since 1970, 0 until then; `inputs` are the digests that it builds on.
    """

    digest: str
    name: str
    cached: bool = False
    started: int = 0
    completed: int = 0
    error: str = ""
    inputs: tuple[str, ...] = ()

    @property
    def is_assumed(self) -> bool:
        """Whether BuildKit only takes it for cached.

        As soon as a vertex starts, BuildKit calls all that it builds on cached from that very moment, if nothing else
        was heard of it (moby/buildkit#5644). It also "starts" a step that fails before it runs, because what it copies
        is not there.
        """
        return self.cached and self.started == self.completed


@dataclass(frozen=True, slots=True)
class TraceLog:
    """What a vertex wrote, in the order of writing; `stream` is 1 for standard output and 2 for standard error."""

    vertex: str
    data: bytes
    stream: int = 1


@dataclass(frozen=True, slots=True)
class TraceTransfer:
    """A part of a vertex's work, such as a layer of an image: how far it is. Repeated, also while it does not move."""

    vertex: str
    name: str
    done: int


@dataclass(frozen=True, slots=True)
class TraceStatus:
    vertexes: tuple[TraceVertex, ...] = ()
    logs: tuple[TraceLog, ...] = ()
    transfers: tuple[TraceTransfer, ...] = ()
