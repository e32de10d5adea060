"""Every setting of every process: typed, documented, read once in a composition root and handed down as a value.

Names in the environment are `SLIPWAY_` + the field's name, but for the few that belong to somebody else
(`GITHUB_TOKEN`, `DATABASE_URL`, …). Temporal's connection settings (`TEMPORAL_ADDRESS`, …) keep Temporal's
names and are read by `temporalio.envconfig`. The table in README.md is checked against this class by a test.
"""

import re
import socket
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AliasChoices,
    Field,
    SecretStr,
    ValidationError,
    ValidatorFunctionWrapHandler,
    field_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from process.database_secrets import database_secrets
from process.visitors import is_host_name

Role = Literal["all", "workflows", "builder", "relay"]

Port = Annotated[int, Field(ge=1, le=65535)]

MEBIBYTE = 1024 * 1024
_SECRET_NAME = re.compile("key|secret|token|password", re.IGNORECASE)  # a region must not be blacked out in logs
_ORIGIN = re.compile(r"https?://[^\s/?#@]+")
_BUILD_SECRET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", re.ASCII)
_DURATIONS = (
    *("github_timeout", "source_timeout", "build_timeout", "base_image_timeout"),
    *("stays_open", "outage_patience", "drain_timeout", "log_retention"),
)


def complaints(invalid: ValidationError) -> list[str]:
    """Say in a line each which settings are wrong, without their values, which may be secrets."""
    lines = []
    for error in invalid.errors(include_url=False, include_input=False):
        name = "_".join(str(part) for part in error["loc"][:1]).upper()
        known = name in {"DATABASE_URL", "GITHUB_TOKEN", "GITHUB_API_URL", "DOCKER_HOST"} or name.startswith("SLIPWAY_")
        lines.append(f"{name if known else f'SLIPWAY_{name}'}: {error['msg'].removeprefix('Value error, ')}")
    return lines


class DataPlace(BaseSettings):
    """Where this host keeps its things: one setting by itself, which is known while others are wrong."""

    model_config = SettingsConfigDict(
        env_prefix="SLIPWAY_",
        env_file=".env",
        extra="ignore",
        frozen=True,
        populate_by_name=True,
        env_ignore_empty=True,
    )

    data_dir: Path = Field(default=Path(".slipway"), description="what this host keeps: database, sources, sandbox")


class Settings(DataPlace):
    # where things lie
    database_url: SecretStr | None = Field(
        default=None,
        validation_alias=AliasChoices("DATABASE_URL", "SLIPWAY_DATABASE_URL"),
        description="postgresql://user:password@host:port/database; unset: the embedded Postgres of this host",
    )
    postgres_port: Port = Field(default=54329, description="port of the embedded Postgres")
    temporal_port: Port = Field(default=7233, description="port of the Temporal dev server that standalone starts")
    temporal_ui_port: Port = Field(default=8233, description="port of that server's web UI")
    temporal_ui_url: str = Field(default="http://127.0.0.1:8233", description="where people open Temporal's web UI")
    sandbox_port: Port = Field(default=8081, description="port of the GitHub look-alike")

    object_store: str | None = Field(
        default=None,
        description="where sources and whole logs are kept for all hosts: `s3://bucket/prefix`, `gs://…`, `az://…` or"
        " `file:///mounted/folder`; unset: `objects` in the data folder, which is right for one host",
    )
    object_store_options: dict[str, SecretStr] | None = Field(
        default=None,
        description='JSON of what that store needs, as obstore names it: `{"region": "eu-central-1"}`, an `endpoint`,'
        " keys; redacted from every log",
    )

    # the API
    api_host: str = Field(default="127.0.0.1", description="address the API listens on")
    api_port: Port = Field(default=8080, description="port of the API")
    api_extra_port: int | None = Field(
        default=8004, ge=0, le=65535, description="a second port, for UI clients that use it; 0: none"
    )
    allowed_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="names, besides the loopback's, by which the API is asked without a credential, separated by"
        " commas; one with a port means that port only",
    )
    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="origins whose pages may read answers, separated by commas; *: any, without credentials"
    )
    queue_limit: int = Field(default=100, ge=1, description="builds that may wait; one more is 503 with Retry-After")

    # GitHub
    github_api_url: str = Field(
        default="https://api.github.com",
        validation_alias=AliasChoices("GITHUB_API_URL", "SLIPWAY_GITHUB_API_URL"),
        description="GitHub's REST API; standalone uses the sandbox until this or a token is set",
    )
    github_token: SecretStr | None = Field(
        default=None,
        validation_alias=AliasChoices("GITHUB_TOKEN", "SLIPWAY_GITHUB_TOKEN"),
        description="token for private repositories and higher rate limits; redacted from every log",
    )
    github_timeout: timedelta = Field(default=timedelta(seconds=30), description="longest silence of GitHub")
    source_max_bytes: int = Field(default=512 * MEBIBYTE, description="largest source tarball, compressed")
    source_max_unpacked_bytes: int = Field(
        default=2048 * MEBIBYTE, description="most bytes that a build unpacks of a source"
    )
    source_max_entries: int = Field(
        default=100_000, description="most files and folders that a build unpacks of a source"
    )
    source_timeout: timedelta = Field(default=timedelta(minutes=10), description="longest download of a source tarball")

    # the worker
    roles: Annotated[tuple[Role, ...], NoDecode] = Field(
        default=("all",), description="what a worker does: all, or some of workflows, builder, relay, with commas"
    )
    builder_name: str = Field(
        default_factory=socket.gethostname, description="stable name of this builder host; two live ones never share it"
    )
    builder_slots: int = Field(default=2, ge=1, le=256, description="builds that this host runs at once")
    engine_url: str = Field(
        default="unix:///var/run/docker.sock",
        validation_alias=AliasChoices("SLIPWAY_ENGINE_URL", "DOCKER_HOST"),
        description="the Docker engine that builds",
    )
    buildx: str = Field(
        default="auto",
        description="Docker's plugin buildx, which drives builds: auto (if found), off (the plain API), or a path",
    )
    build_secrets: Annotated[dict[str, Path], NoDecode] = Field(
        default_factory=dict,
        description="secrets that builds may mount: name=file on this host, separated by commas",
    )
    build_ssh_agent: Path | None = Field(
        default=None, description="socket of an SSH agent that build steps may use (`RUN --mount=type=ssh`)"
    )
    http_proxy: SecretStr | None = Field(
        default=None,
        validation_alias=AliasChoices("HTTP_PROXY", "SLIPWAY_HTTP_PROXY"),
        description="proxy on buildx's way to a registry that asks for a token",
    )
    https_proxy: SecretStr | None = Field(
        default=None,
        validation_alias=AliasChoices("HTTPS_PROXY", "SLIPWAY_HTTPS_PROXY"),
        description="likewise, for https",
    )
    no_proxy: str | None = Field(
        default=None,
        validation_alias=AliasChoices("NO_PROXY", "SLIPWAY_NO_PROXY"),
        description="hosts that are reached without the proxy, separated by commas",
    )
    build_timeout: timedelta = Field(default=timedelta(hours=3), description="longest build of one image")
    base_image_timeout: timedelta = Field(
        default=timedelta(minutes=5), description="longest silence of a registry while a build waits for an image"
    )
    build_memory_bytes: int | None = Field(
        default=None, description="memory of all running build steps together, where the engine is ours"
    )
    build_cpus: float | None = Field(default=None, description="CPUs of all running build steps together, likewise")
    outage_patience: timedelta = Field(
        default=timedelta(minutes=30),
        description="how long a build waits for an engine, GitHub or a store that cannot be reached, before it fails",
    )
    stays_open: timedelta = Field(default=timedelta(days=14), description="how long a failed build waits to be resumed")
    drain_timeout: timedelta = Field(
        default=timedelta(seconds=20), description="time a stopping process gives its work"
    )
    log_retention: timedelta = Field(
        default=timedelta(days=30), description="how long logs stay in the database; the whole log stays as an object"
    )

    # how this process talks
    log_format: Literal["console", "json"] = Field(default="console", description="log lines for people or machines")
    log_level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="least level logged")

    def secrets(self) -> tuple[str, ...]:
        """Return the values that nothing may show which is logged, stored or answered."""
        kept = [self.github_token] if self.github_token is not None else []
        kept += [value for name, value in (self.object_store_options or {}).items() if _SECRET_NAME.search(name)]
        url = self.database_url.get_secret_value() if self.database_url is not None else None
        passwords = (each for proxy in self.proxies().values() for each in database_secrets(proxy)[1:])
        return (*(value.get_secret_value() for value in kept), *(database_secrets(url) if url else ()), *passwords)

    def proxies(self) -> dict[str, str]:
        """Return what a program is told of proxies, under the usual names."""
        told = {
            "HTTP_PROXY": self.http_proxy and self.http_proxy.get_secret_value(),
            "HTTPS_PROXY": self.https_proxy and self.https_proxy.get_secret_value(),
            "NO_PROXY": self.no_proxy,
        }
        return {name: value for name, value in told.items() if value}

    def store_options(self) -> dict[str, str]:
        return {name: value.get_secret_value() for name, value in (self.object_store_options or {}).items()}

    @field_validator("roles", "allowed_hosts", "cors_origins", mode="before")
    @classmethod
    def _split_at_commas(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator(*_DURATIONS, mode="wrap")
    @classmethod
    def _digits_are_seconds(cls, value: object, as_iso: ValidatorFunctionWrapHandler) -> timedelta:
        try:
            seconds = float(value) if isinstance(value, str) else None
        except ValueError:
            seconds = None  # ISO-8601, such as PT10M
        try:
            duration: timedelta = timedelta(seconds=seconds) if seconds is not None else as_iso(value)
        except (ValidationError, OverflowError, ValueError) as error:
            raise ValueError("a time is a number of seconds, or an ISO-8601 duration such as PT10M") from error
        if duration <= timedelta(0):
            raise ValueError("a time must be longer than nothing")
        return duration

    @field_validator("build_secrets", mode="before")
    @classmethod
    def _name_files(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        pairs = [pair.strip().partition("=") for pair in value.split(",") if pair.strip()]
        if not all(_BUILD_SECRET.fullmatch(name) and path for name, _, path in pairs):
            raise ValueError("build secrets are name=file, separated by commas, such as npm=/etc/slipway/npm-token")
        return {name: Path(path).absolute() for name, _, path in pairs}

    @field_validator("build_ssh_agent", mode="after")
    @classmethod
    def _is_one_path(cls, value: Path | None) -> Path | None:
        if value is not None and "," in str(value):
            raise ValueError("the path of the agent's socket must not hold a comma")
        return value

    @field_validator("database_url", mode="after")
    @classmethod
    def _is_postgres(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not value.get_secret_value().startswith(("postgresql://", "postgres://")):
            raise ValueError("the database is Postgres: postgresql://user:password@host:port/database")
        return value

    @field_validator("github_api_url", mode="after")
    @classmethod
    def _is_web_address(cls, value: str) -> str:
        if not re.fullmatch(r"https?://[^\s/]+\S*", value):
            raise ValueError("an address such as https://api.github.com is needed")
        return value

    @field_validator("allowed_hosts", mode="after")
    @classmethod
    def _are_hosts(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not all(is_host_name(each) for each in value):
            raise ValueError("a host is a name or an address, perhaps with a port, such as slipway.example.com:8080")
        return value

    @field_validator("cors_origins", mode="after")
    @classmethod
    def _are_origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        spelled = tuple(each.lower().removesuffix("/") for each in value)  # as browsers send them
        if not all(each == "*" or _ORIGIN.fullmatch(each) for each in spelled):
            raise ValueError("an origin is a scheme and a host, such as https://ui.example.com, without a path")
        return spelled

    @field_validator("api_extra_port", mode="after")
    @classmethod
    def _no_port_is_none(cls, value: int | None) -> int | None:
        return value or None
