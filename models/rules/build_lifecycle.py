"""The rules of a build's life, pure: what may follow what, and what a run is told when it asks for work."""

from dataclasses import dataclass
from datetime import timedelta
from enum import IntEnum, StrEnum

from models.rules.errors.request import BuildStateConflict


class BuildStatus(StrEnum):
    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class ImageStatus(StrEnum):
    """What an image row shows; pollers stop on success or failed only, so cancelled shows as failed."""

    PENDING = "pending"
    BUILDING = "building"
    SUCCESS = "success"
    FAILED = "failed"


class StateCode(IntEnum):
    """The states of an image build; each is entered, worked on and left."""

    QUEUED = 0
    RESOLVE_TAG = 10
    FETCH_SOURCE = 20
    BUILD = 40
    INSPECT = 60
    PUSH = 80
    REGISTER = 90
    COMPLETE = 100


_CODE_STEP = 5  # codes are multiples of it: contract.md §4

FINISHED = frozenset({BuildStatus.SUCCEEDED, BuildStatus.CANCELLED})  # no way out within a generation
ENDED = FINISHED | {BuildStatus.FAILED}  # no work is done; failed may be resumed
OPEN = frozenset({BuildStatus.PENDING, BuildStatus.RUNNING})

TRANSITIONS: dict[BuildStatus, frozenset[BuildStatus]] = {
    BuildStatus.PENDING: frozenset({BuildStatus.RUNNING, BuildStatus.FAILED, BuildStatus.CANCELLED}),
    BuildStatus.RUNNING: frozenset({BuildStatus.SUCCEEDED, BuildStatus.FAILED, BuildStatus.CANCELLED}),
    BuildStatus.FAILED: frozenset({BuildStatus.PENDING}),  # by resume only
    BuildStatus.SUCCEEDED: frozenset(),
    BuildStatus.CANCELLED: frozenset(),
}

IMAGE_STATUS: dict[BuildStatus, ImageStatus] = {
    BuildStatus.PENDING: ImageStatus.PENDING,
    BuildStatus.RUNNING: ImageStatus.BUILDING,
    BuildStatus.SUCCEEDED: ImageStatus.SUCCESS,
    BuildStatus.FAILED: ImageStatus.FAILED,
    BuildStatus.CANCELLED: ImageStatus.FAILED,
}


def advance(current: BuildStatus, wanted: BuildStatus) -> BuildStatus:
    """Return `wanted`; raise BuildStateConflict when it may not follow `current`."""
    if wanted not in TRANSITIONS[current]:
        raise BuildStateConflict(f"A build that is {current} cannot become {wanted}.")
    return wanted


@dataclass(frozen=True)
class BuildFacts:
    """What the rules look at, read from the locked row."""

    status: BuildStatus
    is_closed: bool = False  # superseded, its image deleted, or its time to be resumed has passed
    is_cancel_wanted: bool = False
    open_for: timedelta = timedelta(0)  # what is left of the time a failed build waits for resume


class ClaimAnswer(StrEnum):
    WORK = "work"
    NOTHING = "nothing"  # the run ends
    PARK = "park"  # the run waits: for a resume, or for a cancel that is wanted but not delivered yet


def answer_claim(build: BuildFacts) -> ClaimAnswer:
    """Decide what a run that asks for work is told."""
    if build.is_closed or build.status in FINISHED:
        return ClaimAnswer.NOTHING
    if build.is_cancel_wanted:
        return ClaimAnswer.PARK
    if build.status == BuildStatus.FAILED:
        return ClaimAnswer.PARK if build.open_for > timedelta(0) else ClaimAnswer.NOTHING
    return ClaimAnswer.WORK


class Wish(StrEnum):
    """What an operator may signal to a run; each becomes a change of the row."""

    CANCEL = "cancel"
    RESUME = "resume"
    PAUSE = "pause"
    UNPAUSE = "unpause"


def check_wish(build: BuildFacts, wish: Wish) -> None:
    """Raise BuildStateConflict, naming the state, when the row cannot take this wish now."""
    if wish == Wish.RESUME:
        if build.status != BuildStatus.FAILED or build.is_closed:
            raise BuildStateConflict(f"Only a failed build can be resumed; this one is {_word(build)}.")
    elif build.is_closed or build.status not in OPEN:
        raise BuildStateConflict(f"A build that is {_word(build)} takes no {wish}.")


def state_to_resume_from(current: int, wanted: int | None) -> int:
    """Return the state where a failed build goes on: the one that failed, or an earlier one that is asked for.

    Raises BuildStateConflict for one that was not reached, and for what is no state's code.
    """
    if wanted is None:
        return current
    if not 0 <= wanted <= current or wanted % _CODE_STEP:
        raise BuildStateConflict(f"The build failed at state {current}; it cannot go on at {wanted}.")
    return wanted


def may_succeed(build: BuildFacts) -> bool:
    """Say whether an image that is ready to be registered may become this build's success."""
    return build.status == BuildStatus.RUNNING and not build.is_cancel_wanted and not build.is_closed


def _word(build: BuildFacts) -> str:
    return "closed" if build.is_closed else str(build.status)
