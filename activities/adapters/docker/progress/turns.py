"""Whose turn it is to be shown, where several steps write at once: whole lines, gathered for a moment.

The bytes of one step stay what they are and in their order; only when they show depends on the others.
"""

import math
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

# So long a step is shown before another that also writes has its turn, and so long half a line waits for its end.
_TURN_SECONDS = 0.5
_HALF_LINE_SECONDS = 2.0
_MOST_HELD_BYTES = 64 * 1024


Writer = TypeVar("Writer", bound=Hashable)


@dataclass
class _Held:
    since: float
    data: bytes


class Turns(Generic[Writer]):
    """Give it what steps write; it gives back what may be shown by now, by step.

    Who writes alone is shown at once, half lines as well. `clock` counts seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._shown: Writer | None = None
        self._shown_at = -math.inf  # when it was last heard
        self._is_line_start = True
        self._held: dict[Writer, _Held] = {}

    @property
    def is_holding(self) -> bool:
        """Whether something waits for its turn, so that `due` is to be asked again soon."""
        return bool(self._held)

    def begin(self, step: Writer) -> None:
        """The step's header was shown, and nothing of its own yet."""
        if step != self._shown:
            self._shown, self._shown_at, self._is_line_start = step, -math.inf, True

    def end(self, step: Writer) -> bytes:
        """The step has ended: nobody waits for it any more. Return what was held of it."""
        if step == self._shown:
            self._shown = None
        held = self._held.pop(step, None)
        return b"" if held is None else held.data

    def write(self, step: Writer, data: bytes) -> Iterable[tuple[Writer, bytes]]:
        if not self._held and step is self._shown:  # nearly always
            self._shown_at, self._is_line_start = self._clock(), data.endswith(b"\n")
            return ((step, data),)
        held = self._held.get(step)
        if held is None:
            self._held[step] = _Held(self._clock(), data)
        else:
            held.data += data
        return self.due()

    def due(self) -> Iterator[tuple[Writer, bytes]]:
        """Yield what may be shown by now, whose turn is longest overdue first."""
        now = self._clock()
        for step, held in list(self._held.items()):
            if piece := self._piece(step, held, now):
                del self._held[step]
                if rest := held.data[len(piece) :]:
                    self._held[step] = _Held(now, rest)
                self._shown, self._shown_at, self._is_line_start = step, now, piece.endswith(b"\n")
                yield step, piece

    def _piece(self, step: Writer, held: _Held, now: float) -> bytes:
        waited = now - held.since
        is_quiet = step == self._shown or self._shown is None or now - self._shown_at >= _TURN_SECONDS
        if waited >= _HALF_LINE_SECONDS or (is_quiet and len(self._held) == 1):
            return held.data
        lines = held.data[: held.data.rfind(b"\n") + 1]
        if len(held.data) >= _MOST_HELD_BYTES:
            return lines or held.data
        is_overdue = waited >= _TURN_SECONDS and self._is_line_start
        return lines if is_quiet or is_overdue else b""
