"""Builds begun by any release go on with this code: what their runs wrote is replayed here.

The files come from `python -m tests.support.record_histories`; those of a release stay for ever.
"""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer

from tests.support.record_histories import HISTORIES, SCRUBBED
from workflows.image_build import ImageBuild

RECORDED = sorted(HISTORIES.glob("*/*.json"))
SHAPES = {"succeeded", "failed", "parked", "resumed", "cancelled", "cancelled-while-parked", "paused", "went-back"}
SHAPES |= {"waited-for-its-row"}
MOST_EVENTS = 150
MOST_PARKED_EVENTS = 6

each_history = pytest.mark.parametrize("path", RECORDED, ids=lambda path: f"{path.parent.name}-{path.stem}")


def loaded(path: Path) -> WorkflowHistory:
    return WorkflowHistory.from_json(f"image-build/{path.stem}", path.read_text())


@each_history
async def test_builds_begun_by_any_release_go_on_with_this_code(path: Path) -> None:
    # not the worker's workflow_failure_exception_types: a mismatch would be a failed run here, and never be reported
    replayer = Replayer(workflows=[ImageBuild], data_converter=pydantic_data_converter)
    await replayer.replay_workflow(loaded(path))


def test_every_release_has_a_history_of_each_shape() -> None:
    releases = {path.parent for path in RECORDED}
    assert releases
    for release in releases:
        assert {path.stem for path in release.glob("*.json")} >= SHAPES, release.name


@each_history
def test_a_run_is_far_from_temporals_limits(path: Path) -> None:
    limit = MOST_PARKED_EVENTS if path.stem == "parked" else MOST_EVENTS
    assert len(loaded(path).events) < limit


@each_history
def test_a_recorded_history_names_no_machine(path: Path) -> None:
    def look(part: Any) -> None:
        if isinstance(part, dict):
            assert part.get("identity", SCRUBBED) in {SCRUBBED, ""}
            assert part.get("stackTrace", SCRUBBED) in {SCRUBBED, ""}
        for inner in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
            look(inner)

    look(json.loads(path.read_text()))
    assert not re.search(r"[0-9]+@\w", path.read_text())
