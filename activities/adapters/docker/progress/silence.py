"""What a build awaits from elsewhere, and for how long nothing has come: images, frontends, downloads.

A registry that takes the connection and says nothing shows as a vertex that has started, for ever.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from activities.adapters.docker.progress.base_image import image_of
from activities.adapters.docker.progress.engine_words import without_user
from activities.adapters.docker.progress.status import TraceStatus, TraceVertex

# An answer takes a moment; what takes longer is worth telling.
_TOLD_AFTER_SECONDS = 3.0
_ADDRESS = re.compile(r"(?:\[[^\]]*\] ADD .*?)?(?P<url>(?:https?|git|ssh)://[^\s\"',\]]+)", re.DOTALL)
_HUB = "Docker Hub"


@dataclass(frozen=True)
class Awaited:
    """`registry` is None where it is a download, of whose progress the engine tells nothing."""

    what: str
    registry: str | None
    silent_for: timedelta

    def is_too_much(self, limit: timedelta) -> bool:
        """Whether the build is not to wait on: never for a download."""
        return self.registry is not None and self.silent_for >= limit

    def sentence(self, now: datetime, limit: timedelta) -> str:
        """Say what is awaited, in words that stay the same while the silence lasts."""
        since = f"{now - self.silent_for:%H:%M:%S} UTC"
        if self.registry is None:
            return f"A download: nothing has been heard of {self.what} since {since}."
        return (
            f"The registry {self.registry}: nothing has been heard of {self.what} since {since};"
            f" the build fails when that lasts {limit.total_seconds():.0f} seconds."
        )

    def failure(self, limit: timedelta) -> str:
        return (
            f"the registry {self.registry} stayed silent for {limit.total_seconds():.0f} seconds, and {self.what} is"
            " not on the engine; look what holds the registry up and retry, or raise SLIPWAY_BASE_IMAGE_TIMEOUT"
        )


@dataclass
class _Fetch:
    what: str
    image: str | None
    heard_at: float
    done: dict[str, int] = field(default_factory=dict)


class Silence:
    """Feed it the engine's account; `clock` counts seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._fetches: dict[str, _Fetch] = {}

    def feed(self, status: TraceStatus) -> None:
        if not self._fetches and not status.vertexes:  # nearly always
            return
        for seen in status.vertexes:
            if seen.completed:
                self._fetches.pop(seen.digest, None)
            elif seen.started and (fetch := self._fetch(seen)):
                self._fetches[seen.digest] = fetch
        for transfer in status.transfers:
            if (fetch := self._fetches.get(transfer.vertex)) and fetch.done.get(transfer.name) != transfer.done:
                fetch.done[transfer.name] = transfer.done
                fetch.heard_at = self._clock()
        for log in status.logs:
            if log.vertex in self._fetches:
                self._fetches[log.vertex].heard_at = self._clock()

    @property
    def awaited(self) -> Awaited | None:
        """What has been silent longest, images first; None while nothing is silent for more than a moment."""
        now = self._clock()
        silent = [fetch for fetch in self._fetches.values() if now - fetch.heard_at >= _TOLD_AFTER_SECONDS]
        if not silent:
            return None
        fetch = min(silent, key=lambda each: (each.image is None, each.heard_at))
        registry = None if fetch.image is None else registry_of(fetch.image)
        return Awaited(fetch.what, registry, timedelta(seconds=now - fetch.heard_at))

    def _fetch(self, seen: TraceVertex) -> _Fetch | None:
        image = image_of(seen.name)
        if image is not None:
            return _Fetch(f"the image {image}", image, self._clock())
        address = _ADDRESS.match(seen.name)
        return _Fetch(without_user(address["url"]), None, self._clock()) if address else None


def registry_of(image: str) -> str:
    """Return the host that an image's name names, as BuildKit reads it."""
    host, slash, _rest = image.partition("/")
    return host if slash and ("." in host or ":" in host or host == "localhost") else _HUB
