"""What tests of the workflow want of a build's row, wherever it lies."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from activities.outages import Outages
from activities.ports.runs import RunAddress
from models.rules.build_lifecycle import BuildStatus, Wish
from models.rules.build_payloads import Checkpoint


@dataclass(frozen=True)
class RowNow:
    """A row as it is now. `entered` are the codes of its states, each as often as it was entered."""

    status: BuildStatus
    code: int
    is_paused: bool
    is_cancel_wanted: bool
    is_closed: bool
    error_code: str | None
    entered: tuple[int, ...]
    notices: tuple[str, ...] = ()


class BuildRows(Protocol):
    @property
    def record_activities(self) -> Sequence[Callable[..., Any]]:
        """claim_build, report_state and record_wish."""
        ...

    @property
    def outages(self) -> Outages: ...

    async def order(self, name: str) -> RunAddress:
        """Write a new build of `name`:v1 and have it delivered."""
        ...

    async def read(self, build_id: UUID) -> RowNow: ...

    async def wish(self, run: RunAddress, wish: Wish, state_code: int | None = None) -> bool:
        """Write a wish to the row as the API will, and have it delivered; False when the row refuses it."""
        ...

    async def close(self, run: RunAddress) -> None:
        """Let a newer order supersede the failed build, and have that delivered."""
        ...

    async def succeed(self, build: Checkpoint, run_id: str) -> None:
        """End the build in success, as registering the image does."""
        ...
