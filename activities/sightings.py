"""What repairs go by: something is wrong when it was seen so twice, a while apart."""

import time
from collections.abc import Callable, Hashable, Iterable
from datetime import timedelta
from typing import Generic, TypeVar

Seen = TypeVar("Seen", bound=Hashable)

_APART = timedelta(seconds=30)


class Sightings(Generic[Seen]):
    """What was seen and when first. Lost with the process: then it takes two more looks."""

    def __init__(self, apart: timedelta = _APART, clock: Callable[[], float] = time.monotonic) -> None:
        self._apart = apart.total_seconds()
        self._clock = clock
        self._first: dict[Seen, float] = {}

    def twice(self, seen: Iterable[Seen]) -> list[Seen]:
        """Take what a look has seen, all of it; return what an earlier look, long enough ago, had seen as well."""
        now = self._clock()
        self._first = {each: self._first.get(each, now) for each in seen}
        return [each for each, first in self._first.items() if now - first >= self._apart]

    def forget(self, mended: Seen) -> None:
        """Take it for new when it is seen again: what was mended needs a while to show."""
        self._first.pop(mended, None)
