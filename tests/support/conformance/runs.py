"""What Temporal does for delivery: the adapter's tests and the fake's run all of these."""

from typing import Protocol
from uuid import uuid4

import pytest

from activities.ports.runs import RunAddress, Runs
from models.rules.errors.orchestrator import OrchestratorUnreachable
from models.rules.identifiers import new_id
from tests.support.builds.addresses import address


class RunsOnTrial(Protocol):
    @property
    def runs(self) -> Runs: ...

    async def open_runs(self, run: RunAddress) -> int:
        """Return how many runs are open under this workflow id."""
        ...

    async def go_away(self) -> None: ...


class RunsConformance:
    """Subclasses give the fixture `trial`."""

    @pytest.fixture
    def run(self) -> RunAddress:
        return address(new_id(), f"demo/{uuid4().hex}")

    async def test_a_cancel_of_nothing_says_so_and_starts_nothing(self, trial: RunsOnTrial, run: RunAddress) -> None:
        assert not await trial.runs.cancel(run)
        assert await trial.open_runs(run) == 0

    async def test_pokes_start_one_run_and_a_cancel_reaches_it(self, trial: RunsOnTrial, run: RunAddress) -> None:
        for _repeat in range(3):
            await trial.runs.poke(run)
        assert await trial.open_runs(run) == 1
        assert await trial.runs.cancel(run)

    async def test_runs_of_other_ids_are_left_alone(self, trial: RunsOnTrial, run: RunAddress) -> None:
        other = address(new_id(), f"demo/{uuid4().hex}")
        await trial.runs.poke(other)
        assert not await trial.runs.cancel(run)
        assert (await trial.open_runs(run), await trial.open_runs(other)) == (0, 1)

    async def test_when_it_is_away_both_calls_say_so(self, trial: RunsOnTrial, run: RunAddress) -> None:
        await trial.go_away()
        for call in (trial.runs.poke(run), trial.runs.cancel(run)):
            with pytest.raises(OrchestratorUnreachable):
                await call
