"""Temporal as delivery sees it, in memory."""

from collections.abc import Awaitable, Callable

from activities.ports.runs import RunAddress
from models.rules.errors.orchestrator import OrchestratorUnreachable


class FakeRuns:
    """Implements activities.ports.runs.Runs: remembers what it was told, in order; runs close only by a cancel."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []  # "poke" or "cancel", workflow id
        self.addresses: dict[str, RunAddress] = {}
        self.open: set[str] = set()
        self.is_away = False
        self.before_poke: Callable[[RunAddress], Awaitable[None]] | None = None

    async def poke(self, run: RunAddress) -> None:
        self._answer()
        if self.before_poke is not None:
            await self.before_poke(run)
        self.told.append(("poke", run.workflow_id))
        self.addresses[run.workflow_id] = run
        self.open.add(run.workflow_id)

    async def cancel(self, run: RunAddress) -> bool:
        self._answer()
        self.told.append(("cancel", run.workflow_id))
        is_open = run.workflow_id in self.open
        self.open.discard(run.workflow_id)
        return is_open

    def _answer(self) -> None:
        if self.is_away:
            raise OrchestratorUnreachable("Temporal cannot be reached; builds wait until it can.")
