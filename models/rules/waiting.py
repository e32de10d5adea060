"""What an open build waits for, in a sentence."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

PAUSED = "An unpause: the build is paused, and enters no further state until then."


@dataclass(frozen=True)
class ToldWait:
    """What a stage told: a sentence that names what it waits for and why; `next_try_at` when that is known."""

    what: str
    next_try_at: datetime | None = None


SHORTEST_BACKOFF = timedelta(seconds=1)
LONGEST_BACKOFF = timedelta(seconds=15)
# an attempt that an outage ends sooner has done no work yet: it was one more try to reach what is away
LOST_AT_ONCE = timedelta(minutes=1)


def next_try_in(waited: timedelta, patience: timedelta, asked_for: timedelta | None = None) -> timedelta | None:
    """Return when to try again what has not been there for `waited`; None when that was long enough.

    Who says himself when to come again (`asked_for`) is waited for until then, even beyond the patience.
    """
    left = max(patience, asked_for or patience) - waited
    if left <= timedelta(0):
        return None
    return asked_for or min(max(waited / 2, SHORTEST_BACKOFF), LONGEST_BACKOFF, left)


def sentence(*, is_paused: bool, told: ToldWait | None, place: int | None) -> str | None:
    """Return what a build without live work waits for; None when it waits for nothing that is known.

    `place` is that in the queue for a slot, 1 first; None when it is not in that queue.
    """
    if is_paused:
        return PAUSED
    if told is not None:
        return told.what if told.next_try_at is None else f"{told.what} The next try is at {_clock(told.next_try_at)}."
    if place is not None:
        return f"A free slot on a builder: this build is number {place} in the queue."
    return None


def _clock(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%H:%M:%S UTC")
