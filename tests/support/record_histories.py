"""Record what runs of today's workflow write to Temporal: `python -m tests.support.record_histories [VERSION]`.

Run it after a change of the order of commands that `workflow.patched` makes safe, and with its version before each
release. It writes tests/histories/<version>/<shape>.json, one file per shape of a run, on a Temporal server of its own;
without a version into `unreleased`, which a release's own files replace. Files of releases are never touched:
tests/unit/workflows/test_histories.py replays them all, so that builds begun by any release go on.
Hosts, process ids and paths of this machine are taken out.
"""

import asyncio
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from temporalio.client import WorkflowHistory

from activities.adapters.temporal import connect
from models.rules.build_lifecycle import BuildStatus, Wish
from models.rules.errors.engine import DockerBuildFailed
from process.ending import end_process
from tests.support.builds.build_trials import RunsWithLimits, Trials, running_workers, temporal_server
from tests.support.fakes.build_rows import FakeBuildRows
from tests.support.fakes.stages import FakeStages, Gate, fails, goes_back

ROOT = Path(__file__).parent.parent.parent
HISTORIES = ROOT / "tests" / "histories"
SCRUBBED = "scrubbed"
_OF_THIS_MACHINE = {"identity", "stackTrace", "buildId"}
_BROKEN = DockerBuildFailed("Docker build failed: exit code 1.", failing_step="Step 2/3 : RUN false", exit_code=1)

Shapes = dict[str, WorkflowHistory]


async def record(trials: Trials, rows: FakeBuildRows) -> Shapes:
    """Return a history of each shape that a run can have."""
    recorded = await asyncio.gather(
        *(shape(trials) for shape in (_succeeded, _failed_and_resumed, _went_back, _paused, _cancelled)),
        _waited_for_its_row(trials, rows),
    )
    return {shape: history for shapes in recorded for shape, history in shapes.items()}


async def _succeeded(trials: Trials) -> Shapes:
    build = await trials.begin()
    await build.ends()
    [history] = await build.histories()
    return {"succeeded": history}


async def _failed_and_resumed(trials: Trials) -> Shapes:
    build = await trials.begin(build_image=fails(_BROKEN))
    await build.becomes(BuildStatus.FAILED)
    await build.is_parked()
    failed, waiting = await build.histories()
    await trials.runs.poke(build.run)
    await build.has_gone_on(2)
    await build.is_parked()
    await build.handle.signal("resume", 40)
    await build.becomes(BuildStatus.SUCCEEDED)
    await build.ends()
    _failed, poked, parked_again, woken, resumed = await build.histories()
    return {
        "failed": failed,
        "parked": waiting,
        "parked-and-poked": poked,
        "claims-and-parks-again": parked_again,
        "parked-and-signalled": woken,
        "resumed": resumed,
    }


async def _went_back(trials: Trials) -> Shapes:
    build = await trials.begin(inspect_image=goes_back(40))
    await build.ends()
    [history] = await build.histories()
    return {"went-back": history}


async def _paused(trials: Trials) -> Shapes:
    gate = Gate()
    build = await trials.begin(fetch_source=gate)
    await build.goes_through(gate)
    await build.wish(Wish.PAUSE)
    gate.may_end.set()
    await build.is_held(40)
    await build.handle.signal("unpause")
    await build.ends()
    [history] = await build.histories()
    return {"paused": history}


async def _waited_for_its_row(trials: Trials, rows: FakeBuildRows) -> Shapes:
    gate = Gate()
    build = await trials.begin(fetch_source=gate)
    await build.goes_through(gate)
    rows.go_away(build.run, records=3)
    gate.may_end.set()
    await build.ends()
    [history] = await build.histories()
    return {"waited-for-its-row": history}


async def _cancelled(trials: Trials) -> Shapes:
    gate = Gate()
    build = await trials.begin(build_image=gate)
    await build.goes_through(gate)
    await build.handle.signal("cancel")
    await build.ends()
    [in_mid_stage] = await build.histories()
    build = await trials.begin(build_image=fails(_BROKEN))
    await build.becomes(BuildStatus.FAILED)
    await build.is_parked()
    await build.handle.cancel()
    await build.ends()
    return {"cancelled": in_mid_stage, "cancelled-while-parked": (await build.histories())[-1]}


def scrubbed(part: Any) -> Any:
    """Return the history's JSON without what names this machine: it plays no part in a replay."""
    if isinstance(part, list):
        return [scrubbed(inner) for inner in part]
    if not isinstance(part, dict):
        return part
    if part.get("kind") == "TASK_QUEUE_KIND_STICKY":
        return part | {"name": SCRUBBED}
    return {key: SCRUBBED if key in _OF_THIS_MACHINE and inner else scrubbed(inner) for key, inner in part.items()}


async def main(version: str = "unreleased") -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with temporal_server(Path(folder)) as server:
            client = await connect(lazy=False, address=server.address)
            runs = RunsWithLimits(client)
            rows = FakeBuildRows(runs)
            stages = FakeStages(rows)
            async with running_workers(client, rows, stages):
                shapes = await record(Trials(client, rows, stages, runs), rows)
    release = HISTORIES / version
    release.mkdir(parents=True, exist_ok=True)
    for shape, history in shapes.items():
        text = json.dumps(scrubbed(json.loads(history.to_json())), indent=1)
        (release / f"{shape}.json").write_text(text + "\n")
        print(f"{version}/{shape}.json: {len(history.events)} events")  # noqa: T201


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
    end_process(0)
