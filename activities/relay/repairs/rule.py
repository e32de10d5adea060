"""What a rule is: which builds under way it is for, by their newest run, and what is done about them."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from activities.ports.runs import RunState
from models.repositories.build.repairs import BuildRepairs, OpenBuild


@dataclass(frozen=True)
class Rule:
    name: str  # as the event of a repair shows it
    applies: Callable[[RunState | None], bool]
    repair: Callable[[BuildRepairs, OpenBuild], Awaitable[bool]]  # False: the row has moved meanwhile
