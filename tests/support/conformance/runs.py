"""What Temporal does for delivery: the adapter's tests and the fake's run all of these."""

from typing import Protocol
from uuid import uuid4

import pytest

from activities.ports.runs import RunAddress, RunEnd, Runs, RunStates
from models.rules.errors.orchestrator import OrchestratorUnreachable
from models.rules.identifiers import new_id
from tests.support.builds.addresses import address
from tests.support.eventually import eventually


class RunsOnTrial(Protocol):
    @property
    def runs(self) -> Runs: ...

    @property
    def states(self) -> RunStates: ...

    async def end(self, run: RunAddress, end: RunEnd | None) -> None:
        """Terminate the open run, or delete all that there is of its workflow."""
        ...

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

    async def test_a_run_is_known_as_open_until_it_is_closed(self, trial: RunsOnTrial, run: RunAddress) -> None:
        async def open_ones() -> set[str]:
            return await trial.states.open_among([run.workflow_id, "image-build/demo/no-such:v1/1"])

        assert await trial.states.state(run.workflow_id) is None
        await trial.runs.poke(run)
        begun = await trial.states.state(run.workflow_id)
        assert begun is not None
        assert begun.end is None
        assert await trial.states.state(run.workflow_id, begun.run_id) == begun
        await eventually(open_ones, lambda found: found == {run.workflow_id})
        await trial.end(run, RunEnd.TERMINATED)
        ended = await trial.states.state(run.workflow_id)
        assert ended is not None
        assert ended.end == RunEnd.TERMINATED
        await eventually(open_ones, lambda found: found == set())

    async def test_of_a_deleted_run_nothing_is_known(self, trial: RunsOnTrial, run: RunAddress) -> None:
        async def newest() -> object:
            return await trial.states.state(run.workflow_id)

        await trial.runs.poke(run)
        await trial.end(run, None)
        await eventually(newest, lambda state: state is None)

    async def test_when_it_is_away_all_calls_say_so(self, trial: RunsOnTrial, run: RunAddress) -> None:
        await trial.go_away()
        asked = (trial.states.state(run.workflow_id), trial.states.open_among([run.workflow_id]))
        for call in (trial.runs.poke(run), trial.runs.cancel(run), *asked):
            with pytest.raises(OrchestratorUnreachable):
                await call
