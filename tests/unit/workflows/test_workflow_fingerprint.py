"""The order of a workflow's commands may only change together with a patch: runs of older releases replay against it.

The fingerprint is read from the source with `ast`, so it also sees what no recorded history reaches.
"""

import ast
import json
from pathlib import Path

import pytest

from models.rules.build_lifecycle import StateCode

ROOT = Path(__file__).parents[3]
BASELINE = ROOT / "tests" / "histories" / "fingerprints.json"
# what becomes an event, or decides whether one does
COMMANDS = {
    *("execute_activity", "start_activity", "execute_local_activity", "start_local_activity", "execute_child_workflow"),
    *("start_child_workflow", "continue_as_new", "wait_condition", "sleep", "timer", "upsert_search_attributes"),
    *("upsert_memo", "patched", "deprecate_patch", "cancellation_reason", "signal", "create_task", "shield", "uuid4"),
}
OURS = {"claim", "enter", "leave", "report", "go_on", "run", "record", "record_wish", "listen"}
OURS |= {"_pass_on_one_wish", "_pass_wishes_on", "_begin", "_build", "_wait_for_resume", "_wish", "hear_the_rest"}
OURS |= {"raise_when_cancelled"}
WHAT_TO_DO = """
The order of commands of a workflow has changed. A build that an older release has begun replays its history against
this code and fails when a command is new, gone or moved. So either

- keep the old order for old runs: put the change behind `workflow.patched("<a named constant>")`, or
- show that no run can notice (a command that is only ever the last one, or the same command written in another place):
  the replay in tests/unit/workflows/test_histories.py is green.

The parked run's first command is its timer: that may never change. Then record today's histories with
`python -m tests.support.record_histories`, and accept the new order with
`python -m tests.unit.workflows.test_workflow_fingerprint`, in the same commit as the change.
"""


def fingerprint() -> dict[str, list[str]]:
    """Return, for each function of workflows/, its commands in the order of the source."""
    found: dict[str, list[str]] = {}
    for path in sorted((ROOT / "workflows").glob("*.py")):
        tree = ast.parse(path.read_text())
        for owner in [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]:
            for function in owner.body:
                if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                    commands = _commands(function)
                    if commands:
                        found[f"{path.stem}.{owner.name}.{function.name}"] = commands
        stages = [ast.unparse(node) for node in ast.walk(tree) if _is_call_of(node, "Stage")]
        if stages:
            found[f"{path.stem}.STAGES"] = [_code_and_activity(stage) for stage in stages]
    return found


def _commands(function: ast.AST) -> list[str]:
    calls = [node for node in ast.walk(function) if isinstance(node, ast.Call)]
    calls.sort(key=lambda call: (call.end_lineno or 0, call.end_col_offset or 0))  # inner calls end, so run, first
    return [_shown(call) for call in calls if _name(call) in COMMANDS | OURS]


def _shown(call: ast.Call) -> str:
    """Return the call with what decides about its event: whose name it calls, and whether it starts a timer."""
    texts = [repr(arg.value) for arg in call.args[:1] if isinstance(arg, ast.Constant)]
    timers = [keyword.arg for keyword in call.keywords if keyword.arg == "timeout"]
    return " ".join([_name(call), *texts, *timers])


def _name(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _is_call_of(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Call) and _name(node) == name


def _code_and_activity(stage: str) -> str:
    call = ast.parse(stage, mode="eval").body
    assert isinstance(call, ast.Call)
    code, activity = call.args[:2]
    assert isinstance(code, ast.Attribute)
    return f"{int(StateCode[code.attr])} {ast.unparse(activity)}"


def test_the_order_of_commands_is_the_one_that_running_builds_know() -> None:
    if fingerprint() != json.loads(BASELINE.read_text()):
        pytest.fail(WHAT_TO_DO, pytrace=False)


def test_the_fingerprint_sees_the_whole_workflow() -> None:
    seen = fingerprint()
    assert seen["image_build.STAGES"][0] == "10 'resolve_tag'"
    assert len(seen["image_build.STAGES"]) == 6
    assert seen["image_build.ImageBuild._wait_for_resume"] == ["wait_condition timeout", "hear_the_rest", "go_on"]
    assert seen["durable_run.DurableRun.record"] == ["execute_local_activity", "execute_activity"]
    assert "continue_as_new" in seen["durable_run.DurableRun.go_on"]
    assert seen["stage.Stage._execute"] == ["execute_activity"]


if __name__ == "__main__":
    BASELINE.write_text(json.dumps(fingerprint(), indent=1) + "\n")
