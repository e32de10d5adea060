"""GitHub's primary rate limit: so many requests an hour for each caller, told in the headers of every answer."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

WINDOW_SECONDS = 3600


@dataclass
class Window:
    limit: int
    used: int
    resets_at: float  # seconds of the Unix epoch

    @property
    def is_used_up(self) -> bool:
        return self.used >= self.limit

    def headers(self) -> dict[str, str]:
        return {
            "x-ratelimit-limit": str(self.limit),
            "x-ratelimit-remaining": str(max(0, self.limit - self.used)),
            "x-ratelimit-used": str(self.used),
            "x-ratelimit-reset": str(math.ceil(self.resets_at)),
            "x-ratelimit-resource": "core",
        }


class RateLimits:
    def __init__(self, anonymous: int, with_token: int, now: Callable[[], float] = time.time) -> None:
        """`anonymous` and `with_token` are requests per hour."""
        self._anonymous = anonymous
        self._with_token = with_token
        self._now = now
        self._windows: dict[str, Window] = {}

    def window(self, caller: str, *, has_token: bool) -> Window:
        """Return the caller's present window, a new one when the last has passed."""
        now, window = self._now(), self._windows.get(caller)
        if window is None or window.resets_at <= now:
            limit = self._with_token if has_token else self._anonymous
            window = self._windows[caller] = Window(limit, used=0, resets_at=now + WINDOW_SECONDS)
        return window
