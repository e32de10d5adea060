import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from process.database_secrets import database_secrets
from settings import Settings, complaints

SECRETS = {"database_url", "github_token", "object_store_options", "http_proxy", "https_proxy"}
PROGRAM = "import sys; from settings import Settings; sys.stdout.write(Settings().model_dump_json())"


def settings_of(folder: Path, **environment: str) -> dict[str, Any]:
    """Read settings as a process does that has this environment, in a folder without a .env."""
    path = str(Path(__file__).parent.parent.parent)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=folder,
        env={"PYTHONPATH": path} | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    settings: dict[str, Any] = json.loads(done.stdout)
    return settings


def test_nothing_needs_to_be_set(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    assert settings["api_host"] == "127.0.0.1"
    assert settings["roles"] == ["all"]
    assert {settings[name] for name in SECRETS} == {None}


def test_names_that_belong_to_others_are_understood(tmp_path: Path) -> None:
    settings = settings_of(
        tmp_path,
        GITHUB_TOKEN="t0ken",
        GITHUB_API_URL="http://127.0.0.1:1",
        DATABASE_URL="postgresql://u:p@h/d",
        DOCKER_HOST="tcp://127.0.0.1:2",
        SLIPWAY_ROLES="builder, relay",
        SLIPWAY_CORS_ORIGINS="https://a.example,https://b.example",
        SLIPWAY_API_EXTRA_PORT="0",
        SLIPWAY_STAYS_OPEN="P7D",
        SLIPWAY_QUEUE_LIMIT="",
        https_proxy="http://worker:pr0xy-password@proxy.test:3128",
    )
    assert settings["github_api_url"] == "http://127.0.0.1:1"
    assert settings["engine_url"] == "tcp://127.0.0.1:2"
    assert settings["roles"] == ["builder", "relay"]
    assert settings["cors_origins"] == ["https://a.example", "https://b.example"]
    assert settings["api_extra_port"] is None
    assert settings["stays_open"] == "P7D"
    assert settings["queue_limit"] == 100  # empty is unset
    assert {settings[name] for name in SECRETS - {"object_store_options", "http_proxy"}} == {"**********"}


def test_origins_are_kept_as_browsers_spell_them() -> None:
    assert Settings.model_validate({"cors_origins": "https://UI.example.com/, *"}).cors_origins == (
        "https://ui.example.com",
        "*",
    )


def test_no_secret_has_a_default_or_shows_itself() -> None:
    assert {name for name, field in Settings.model_fields.items() if "Secret" in str(field.annotation)} == SECRETS
    assert {Settings.model_fields[name].default for name in SECRETS} == {None}
    settings = Settings(github_token=SecretStr("t0ken-of-mine"), database_url=SecretStr("postgresql://u:passw0rd@h/d"))
    assert "t0ken-of-mine" not in f"{settings!r} {settings} {settings.model_dump_json()}"
    assert "passw0rd" not in f"{settings!r} {settings} {settings.model_dump_json()}"


def test_a_databases_password_is_a_secret_also_by_itself() -> None:
    url = "postgresql://builder:hunter%2F22@db.test/builds"
    settings = Settings(_env_file=None, database_url=SecretStr(url))
    assert settings.secrets() == (url, "hunter%2F22", "hunter/22")


@pytest.mark.parametrize("url", ["postgresql://postgres:postgres@db/builds", "postgresql://a:word@b/c", "postgres://["])
def test_a_password_that_is_a_usual_word_is_no_secret_by_itself(url: str) -> None:
    assert database_secrets(url) == (url,)


def test_of_a_stores_options_only_what_is_secret_is_kept_out_of_logs() -> None:
    options = {"region": SecretStr("eu-central-1"), "secret_access_key": SecretStr("k3y-of-mine")}
    settings = Settings(object_store_options=options)
    assert "k3y-of-mine" not in f"{settings!r} {settings.model_dump_json()}"
    assert settings.secrets() == ("k3y-of-mine",)
    assert settings.store_options() == {"region": "eu-central-1", "secret_access_key": "k3y-of-mine"}


def test_settings_are_a_value_that_nobody_changes() -> None:
    settings = Settings(queue_limit=7)
    with pytest.raises(ValidationError, match="frozen"):
        settings.queue_limit = 8  # type: ignore[misc]


def test_every_setting_says_what_it_is() -> None:
    assert not [name for name, field in Settings.model_fields.items() if not field.description]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("roles", "builder,chef"),
        ("queue_limit", "0"),
        ("builder_slots", "0"),
        ("builder_slots", "many"),
        ("log_format", "xml"),
        ("stays_open", "soon"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(ValidationError, match=name):
        Settings(**{name: value})  # type: ignore[arg-type]


def test_a_failed_build_waits_a_fortnight_to_be_resumed() -> None:
    assert Settings.model_fields["stays_open"].default == timedelta(days=14)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("SLIPWAY_API_PORT", "99999", "SLIPWAY_API_PORT: "),
        ("DATABASE_URL", "mysql://user@host/x", "DATABASE_URL: the database is Postgres"),
        ("GITHUB_API_URL", "not a url", "GITHUB_API_URL: an address such as"),
        ("SLIPWAY_BUILD_TIMEOUT", "3 parsecs", "SLIPWAY_BUILD_TIMEOUT: a time is a number of seconds"),
        ("SLIPWAY_BUILD_TIMEOUT", "-1", "SLIPWAY_BUILD_TIMEOUT: a time must be longer"),
        ("SLIPWAY_ALLOWED_HOSTS", "*", "SLIPWAY_ALLOWED_HOSTS: a host is a name or an address"),
        ("SLIPWAY_ALLOWED_HOSTS", "a.example,http://b.example", "SLIPWAY_ALLOWED_HOSTS: a host is a name"),
        ("SLIPWAY_CORS_ORIGINS", "ui.example.org", "SLIPWAY_CORS_ORIGINS: an origin is a scheme and a host"),
        ("SLIPWAY_CORS_ORIGINS", "https://ui.example.com/page", "SLIPWAY_CORS_ORIGINS: an origin is"),
    ],
)
def test_a_wrong_setting_is_one_line_that_says_what_is_wanted(name: str, value: str, says: str) -> None:
    field = {"DATABASE_URL": "database_url", "GITHUB_API_URL": "github_api_url"}.get(name, name[8:].lower())
    with pytest.raises(ValidationError) as refusal:
        Settings.model_validate({field: value})
    [line] = complaints(refusal.value)
    assert line.startswith(says)
    assert value not in line


@pytest.mark.parametrize(("value", "seconds"), [("90", 90), ("0.5", 0.5), ("PT10M", 600)])
def test_a_time_is_seconds_or_an_iso_duration(value: str, seconds: float) -> None:
    assert Settings.model_validate({"build_timeout": value}).build_timeout == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("said", "files"),
    [
        ("npm=/etc/npm", {"npm": Path("/etc/npm")}),
        (" npm=/etc/npm , a.b-c=/x=y ,", {"npm": Path("/etc/npm"), "a.b-c": Path("/x=y")}),
        ("npm=token", {"npm": Path("token").absolute()}),
    ],
)
def test_build_secrets_are_files_by_name(said: str, files: dict[str, Path]) -> None:
    assert Settings(build_secrets=said).build_secrets == files


@pytest.mark.parametrize("said", ["npm", "npm=", "=/etc/npm", "a b=/x", "../a=/x", "npm=/a,b"])
def test_what_names_no_file_is_no_build_secret(said: str) -> None:
    with pytest.raises(ValidationError, match="name=file"):
        Settings(build_secrets=said)


def test_an_agents_socket_is_one_path() -> None:
    with pytest.raises(ValidationError, match="comma"):
        Settings(build_ssh_agent=Path("/run/a,b"))


def test_a_proxy_is_told_whole_and_only_its_password_is_a_secret() -> None:
    url = "http://worker:pr0xy-password@proxy.test:3128"
    settings = Settings.model_validate({"HTTPS_PROXY": url, "NO_PROXY": "localhost,.test"})
    assert settings.proxies() == {"HTTPS_PROXY": url, "NO_PROXY": "localhost,.test"}
    assert settings.secrets() == ("pr0xy-password",)
