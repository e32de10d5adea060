"""The steps of a build as people know them, and what BuildKit's vertexes tell of each."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from activities.adapters.docker.progress.status import TraceVertex
from models.rules.redaction import Redactor

_STEP_NAME = re.compile(r"\[(?:(?P<stage>[^\]]*\S) )? *(?P<place>\d+)/\d+\] (?P<what>.+)", re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_RAN = re.compile(r"\A(?:executor failed running|process) |exit code: \d+\s*\Z")


@dataclass(eq=False)
class Step:
    """What shows under one header: a Dockerfile step, or something of the engine's own, which has no number."""

    number: int | None
    what: str
    vertexes: list["Vertex"] = field(default_factory=list)
    is_open: bool = False
    is_cached: bool = False

    @property
    def is_completed(self) -> bool:
        return all(vertex.is_completed for vertex in self.vertexes)


@dataclass(eq=False)
class Vertex:
    digest: str
    name: str
    step: Step
    redactor: Redactor
    inputs: tuple[str, ...] = ()
    started: int = 0
    assumed: int = 0  # the moment of TraceVertex.is_assumed
    has_run: bool = False
    has_ended: bool = False
    is_completed: bool = False  # and the log says so
    error: str = ""
    written_bytes: dict[int, int] = field(default_factory=dict)  # by stream


class Steps:
    """All vertexes so far, by digest. Steps of all stages are numbered as announced, those of a stage in their order.

    A step may be two vertexes: a newer engine downloads and copies for one ADD, and calls both by the step's name.
    """

    def __init__(self, secrets: tuple[str | bytes, ...]) -> None:
        self._secrets = secrets
        self._redactor = Redactor(secrets)
        self._numbered: dict[str, Step] = {}
        self.vertexes: dict[str, Vertex] = {}
        self._users: dict[str, dict[str, None]] = {}  # who builds on a vertex, by digest

    @property
    def count(self) -> int:
        return len(self._numbered)

    def register(self, seen: Iterable[TraceVertex]) -> None:
        new = {vertex.digest: vertex for vertex in seen if vertex.digest not in self.vertexes}
        for digest in _in_stage_order({digest: new[digest].name for digest in _inputs_first(new)}):
            self.add(digest, new[digest].name)
        for vertex in seen:
            _learn(self.vertexes[vertex.digest], vertex)
            for used in vertex.inputs:
                self._users.setdefault(used, {})[vertex.digest] = None

    def add(self, digest: str, name: str) -> Vertex:
        """Note a vertex, also one that the engine never announced."""
        vertex = Vertex(digest, name, self._step_of(name), Redactor(self._secrets))
        vertex.step.vertexes.append(vertex)
        self.vertexes[digest] = vertex
        return vertex

    def did_not_run(self, vertex: Vertex) -> bool | None:
        """Tell a vertex that is only assumed to be cached, for one that never ran, from a cached one; None: not yet."""
        if vertex.has_run or not vertex.assumed:
            return False
        # along all that was assumed at the same moment, each once: what an engine sends may go in circles
        told, seen, ahead = set[bool | None](), {vertex.digest}, [vertex]
        while ahead:
            for user in map(self.vertexes.__getitem__, self._users.get(ahead.pop().digest, ())):
                if user.digest in seen:
                    continue
                if user.assumed == vertex.assumed and not user.has_run:
                    seen.add(user.digest)
                    ahead.append(user)
                else:
                    told.add(_tells(user, vertex.assumed))
        return True if True in told else None if None in told else False

    def _step_of(self, name: str) -> Step:
        named = _STEP_NAME.fullmatch(name)
        if named is None:
            return Step(None, self._shown(name))
        if name not in self._numbered:
            self._numbered[name] = Step(len(self._numbered) + 1, self._shown(named["what"]))
        return self._numbered[name]

    def _shown(self, text: str) -> str:
        return _CONTROL.sub("", " ".join(self._redactor.whole(text.encode()).decode(errors="replace").split()))


def _tells(user: Vertex, moment: int) -> bool | None:
    """Tell whether `user`, at whose start its inputs were assumed to be cached, never came to use them."""
    if user.assumed == moment or user.started != moment:
        return False
    if user.error:
        return _RAN.search(user.error) is None
    return False if user.has_ended else None


def _learn(vertex: Vertex, seen: TraceVertex) -> None:
    vertex.error = vertex.error or seen.error
    vertex.inputs = seen.inputs or vertex.inputs
    if seen.is_assumed:
        vertex.assumed = seen.started
    elif seen.started:
        vertex.started, vertex.assumed = seen.started, 0
        vertex.has_run = vertex.has_run or not seen.cached
        vertex.has_ended = vertex.has_ended or seen.completed > 0


def _inputs_first(announced: Mapping[str, TraceVertex]) -> list[str]:
    """Order digests as announced, but what a vertex builds on before it: newer engines announce it the other way."""
    ordered: dict[str, None] = {}
    expanded: set[str] = set()
    waiting = list(announced)[::-1]
    while waiting:
        digest = waiting[-1]
        inputs = () if digest in expanded else announced[digest].inputs
        missing = [each for each in reversed(inputs) if each in announced and each not in ordered]
        expanded.add(digest)
        if missing:
            waiting += missing
        else:
            ordered.setdefault(waiting.pop())
    return list(ordered)


def _in_stage_order(names: Mapping[str, str]) -> list[str]:
    """Order digests as given, except that the steps of a stage follow one another: the engine shuffles them."""
    steps = {digest: step for digest, name in names.items() if (step := _STEP_NAME.fullmatch(name))}
    stages: dict[str | None, list[str]] = {}
    for digest in sorted(steps, key=lambda digest: int(steps[digest]["place"]), reverse=True):
        stages.setdefault(steps[digest]["stage"], []).append(digest)
    return [stages[steps[digest]["stage"]].pop() if digest in steps else digest for digest in names]
