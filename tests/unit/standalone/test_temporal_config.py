from pathlib import Path

import pytest

from standalone.free_ports import free_port
from standalone.servers.temporal import CONFIG, TemporalDevServer, dynamic_config, search_attributes


def test_a_production_cluster_gets_every_value_that_the_development_server_has() -> None:
    assert dynamic_config(CONFIG / "production.yaml").items() >= dynamic_config(CONFIG / "development.yaml").items()


def test_a_cancel_reaches_activities_at_once_and_priorities_hold_over_the_whole_queue() -> None:
    assert dynamic_config(CONFIG / "development.yaml") == {
        "frontend.WorkerCommandsEnabled": True,
        "system.enableCancelActivityWorkerCommand": True,
        "matching.numTaskqueueReadPartitions": 1,
        "matching.numTaskqueueWritePartitions": 1,
        "matching.enableFairness": True,
        "history.transferProcessorMaxPollRPS": 1000,
        "system.enableActivityEagerExecution": True,
        "history.workflowIdReuseMinimalInterval": "0s",
    }


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("a.b: 1", "a.b needs one value"),
        ("- value: 1", "no table"),
        ("# nothing else", "no table"),
        ("a.b:\n  - constraints: {}", "a.b needs one value"),
        ("a.b:\n  - value: 1\n    constraints: {namespace: mine}", "a.b needs one value"),
        ("a.b:\n  - value: 1\n  - value: 2", "a.b needs one value"),
    ],
)
def test_what_a_flag_cannot_say_is_refused(line: str, complaint: str, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(f"# a comment\n{line}\n")
    with pytest.raises(ValueError, match=complaint):
        dynamic_config(path)


def test_values_of_any_kind_are_read_as_temporal_reads_them(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text('a.b:\n- value: "0s"  # a time\n"c.d": [{value: {x: [1, true]}}]\n')
    assert dynamic_config(path) == {"a.b": "0s", "c.d": {"x": [1, True]}}


def test_operators_can_search_builds_by_the_contracts_attributes() -> None:
    assert search_attributes() == {
        "BuildId": "Keyword",
        "BuildStatus": "Keyword",
        "BuildState": "Int",
        "ImageName": "Keyword",
        "ProductSlug": "Keyword",
        "ThirdPartyId": "Keyword",
        "BuildKind": "Keyword",
    }


def test_the_server_listens_on_loopback_and_keeps_its_data_in_its_file(tmp_path: Path) -> None:
    server = TemporalDevServer(tmp_path / "temporal.db", free_port(), free_port())
    command = " ".join(server.program.command)
    assert "--ip 127.0.0.1" in command
    assert f"--db-filename {tmp_path / 'temporal.db'}" in command
    assert "--dynamic-config-value matching.enableFairness=true" in command
