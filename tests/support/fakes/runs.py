"""Temporal as delivery sees it, in memory."""

from collections.abc import Awaitable, Callable, Collection

from activities.ports.runs import RunAddress, RunEnd, RunState
from models.rules.errors.orchestrator import OrchestratorUnreachable


class FakeRuns:
    """Implements activities.ports.runs.Runs and RunStates: remembers what it was told, in order.

    Runs are closed by cancels and by tests.
    """

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []  # "poke" or "cancel", workflow id
        self.addresses: dict[str, RunAddress] = {}
        self.open: set[str] = set()
        self.ends: dict[str, RunEnd] = {}  # of workflows without an open run
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
        if run.workflow_id not in self.open:
            return False
        self.close(run.workflow_id, RunEnd.CANCELLED)
        return True

    def close(self, workflow_id: str, end: RunEnd | None) -> None:
        """Close a run, or forget all that there was of its workflow."""
        self.open.discard(workflow_id)
        self.ends.pop(workflow_id, None)
        if end is not None:
            self.ends[workflow_id] = end

    async def state(self, workflow_id: str, run_id: str | None = None) -> RunState | None:
        self._answer()
        if workflow_id not in self.open and workflow_id not in self.ends:
            return None
        return RunState(run_id or "run-1", None if workflow_id in self.open else self.ends[workflow_id])

    async def open_among(self, workflow_ids: Collection[str]) -> set[str]:
        self._answer()
        return self.open & set(workflow_ids)

    def _answer(self) -> None:
        if self.is_away:
            raise OrchestratorUnreachable("Temporal cannot be reached; builds wait until it can.")
