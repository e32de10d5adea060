"""What the relay does now and then, beside delivering."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta


@dataclass
class Chore:
    """Something to do now and then. Two relays may do it at once: each chore is harmless twice."""

    name: str
    every: timedelta
    do: Callable[[], Awaitable[None]]
    due_at: float = field(default=0.0)
