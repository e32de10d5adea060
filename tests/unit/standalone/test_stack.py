from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from settings import Settings
from standalone.stack import Stack, standalone_stack


def stack_of(tmp_path: Path, environment: dict[str, str] | None = None, **values: object) -> Stack:
    settings = Settings.model_construct(_fields_set={"data_dir", *values}, data_dir=tmp_path, **values)  # type: ignore[arg-type]
    return standalone_stack(settings, environment or {})


def told(stack: Stack, name: str) -> dict[str, str]:
    return dict(next(member.program.environment or {} for member in stack.members if member.name == name))


def names(stack: Stack) -> list[str]:
    return [member.name for member in stack.members]


def test_everything_is_started_when_nothing_is_given(tmp_path: Path) -> None:
    stack = stack_of(tmp_path)
    assert names(stack) == ["postgres", "temporal", "sandbox", "worker", "api"]
    assert [setting for setting, _ in stack.ports] == [
        "SLIPWAY_POSTGRES_PORT",
        "SLIPWAY_TEMPORAL_PORT",
        "SLIPWAY_TEMPORAL_UI_PORT",
        "SLIPWAY_SANDBOX_PORT",
        "SLIPWAY_API_PORT",
        "SLIPWAY_API_EXTRA_PORT",
    ]


def test_worker_and_api_wait_for_the_servers_and_are_told_where_they_are(tmp_path: Path) -> None:
    stack = stack_of(tmp_path, {"PATH": "/bin", "TEMPORAL_API_KEY": "of another cluster"})
    for member in stack.members[-2:]:
        assert member.needs == {"postgres", "temporal", "sandbox"}
        environment = told(stack, member.name)
        assert environment["DATABASE_URL"].startswith("postgresql://buildapi:")
        assert environment["TEMPORAL_ADDRESS"] == "127.0.0.1:7233"
        assert environment["GITHUB_API_URL"] == "http://127.0.0.1:8081"
        assert environment["SLIPWAY_DATA_DIR"] == str(tmp_path)
        assert environment["PATH"] == "/bin"
        assert "TEMPORAL_API_KEY" not in environment


def test_a_token_means_the_real_github(tmp_path: Path) -> None:
    stack = stack_of(tmp_path, {"GITHUB_TOKEN": "secret"}, github_token=SecretStr("secret"))
    assert "sandbox" not in names(stack)
    assert told(stack, "worker")["GITHUB_TOKEN"] == "secret"
    assert "GITHUB_API_URL" not in told(stack, "worker")


def test_a_given_database_is_used_and_no_postgres_started(tmp_path: Path) -> None:
    stack = stack_of(tmp_path, database_url=SecretStr("postgresql://elsewhere/builds"))
    assert "postgres" not in names(stack)
    assert told(stack, "api")["DATABASE_URL"] == "postgresql://elsewhere/builds"
    assert not (tmp_path / "postgres.password").exists()


def test_a_given_temporal_is_used_with_all_its_connection_settings(tmp_path: Path) -> None:
    given = {"TEMPORAL_ADDRESS": "temporal.example:7233", "TEMPORAL_NAMESPACE": "builds", "TEMPORAL_TLS": "true"}
    stack = stack_of(tmp_path, given)
    assert "temporal" not in names(stack)
    assert told(stack, "worker").items() >= given.items()


@pytest.mark.parametrize(("values", "url"), [({"temporal_ui_port": 9000}, "http://127.0.0.1:9000"), ({}, None)])
def test_links_to_temporal_follow_the_port_of_its_ui(tmp_path: Path, values: dict[str, int], url: str | None) -> None:
    stack = stack_of(tmp_path, None, **values)
    assert stack.urls["Temporal"] == told(stack, "api")["SLIPWAY_TEMPORAL_UI_URL"] == (url or "http://127.0.0.1:8233")


def test_the_time_to_stop_grows_with_the_time_that_stopping_processes_give_their_work(tmp_path: Path) -> None:
    drain = timedelta(hours=1)
    stack = stack_of(tmp_path, drain_timeout=drain)
    assert stack.stops_within > sum((member.program.grace for member in stack.members), timedelta()) > 2 * drain
