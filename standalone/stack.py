"""Which programs make up standalone, what each is told, and in which order they start."""

import hashlib
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

from settings import Settings
from standalone.errors import NotServing
from standalone.free_ports import LOOPBACK
from standalone.liveness import Beats, Check, answers
from standalone.programs import Program
from standalone.servers.postgres import EmbeddedPostgres
from standalone.servers.temporal import TemporalDevServer

_REPLACED = (
    "TEMPORAL_",
    "DATABASE_URL",
    "SLIPWAY_DATABASE_URL",
    "NOTIFY_SOCKET",
)  # a parent's values that ours replace
_SANDBOX_TOKEN = "sandbox-token"  # noqa: S105  # opens nothing but the sandbox; without one it allows 60 requests an hour
_LAST_RESORT = timedelta(seconds=30)  # beyond all graces: for programs that have to be killed, and ourselves
_EXTRA_GRACE = timedelta(seconds=15)  # what a process may take beyond draining its work


@dataclass(frozen=True)
class Member:
    """A program of the stack; it starts when those that it `needs` are ready."""

    program: Program
    needs: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        return self.program.name


@dataclass(frozen=True)
class Stack:
    """What runs together, in the order of start; it is stopped in the opposite order.

    `ports` are those to listen on, by the setting that changes each; `urls` are for people, `notes` too. `made_from`
    tells one state of the settings from another; of secrets, only whether they are set.
    """

    data_dir: Path
    members: tuple[Member, ...]
    ports: tuple[tuple[str, int], ...] = ()
    urls: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    ready_url: str | None = None
    made_from: str = ""

    @property
    def stops_within(self) -> timedelta:
        """How long it may take until all have ended in their order, the last resort included."""
        return sum((member.program.grace for member in self.members), _LAST_RESORT)

    def log_of(self, name: str) -> Path:
        return self.data_dir / "logs" / f"{name}.log"


def standalone_stack(settings: Settings, environment: Mapping[str, str]) -> Stack:
    """Return our stack: what `settings` or the environment already give (a database, Temporal, GitHub) is left out.

    `environment` is this process's own; the programs get it with their addresses put in.
    """
    return _Plan(settings, environment).stack()


class _Plan:
    def __init__(self, settings: Settings, environment: Mapping[str, str]) -> None:
        self._settings = settings
        self._environment = environment
        self._data_dir = settings.data_dir.resolve()
        self._members: list[Member] = []
        self._ports: list[tuple[str, int]] = []
        self._notes: list[str] = []
        self._told: dict[str, str] = {"SLIPWAY_DATA_DIR": str(self._data_dir), "PYTHONUNBUFFERED": "1"}
        self._ui_url = settings.temporal_ui_url
        self._sandbox_url: str | None = None

    def stack(self) -> Stack:
        self._plan_postgres()
        self._plan_temporal()
        self._plan_sandbox()
        servers = frozenset(member.name for member in self._members)
        self._plan_worker(servers)
        self._plan_api(servers)
        return Stack(
            data_dir=self._data_dir,
            members=tuple(self._members),
            ports=tuple(self._ports),
            urls=self._urls(),
            notes=tuple(self._notes),
            ready_url=f"{self._api_url()}/ready",
            made_from=hashlib.sha256(self._settings.model_dump_json().encode()).hexdigest(),
        )

    def _plan_postgres(self) -> None:
        if self._settings.database_url:
            self._told["DATABASE_URL"] = self._settings.database_url.get_secret_value()
            self._notes.append("Postgres: yours, as DATABASE_URL says")
            return
        postgres = EmbeddedPostgres(self._data_dir, self._settings.postgres_port)
        self._told["DATABASE_URL"] = postgres.url
        self._ports.append(("SLIPWAY_POSTGRES_PORT", postgres.port))
        self._members.append(Member(postgres.program))

    def _plan_temporal(self) -> None:
        if address := self._environment.get("TEMPORAL_ADDRESS"):
            self._told |= {name: value for name, value in self._environment.items() if name.startswith("TEMPORAL_")}
            self._notes.append(f"Temporal: yours at {address}, as TEMPORAL_ADDRESS says")
            return
        port, ui_port = self._settings.temporal_port, self._settings.temporal_ui_port
        temporal = TemporalDevServer(self._data_dir / "temporal.db", port, ui_port)
        if "temporal_ui_url" not in self._settings.model_fields_set:
            self._ui_url = temporal.ui_url
        self._told |= {"TEMPORAL_ADDRESS": temporal.address, "TEMPORAL_NAMESPACE": "default"}
        self._ports += [("SLIPWAY_TEMPORAL_PORT", port), ("SLIPWAY_TEMPORAL_UI_PORT", ui_port)]
        self._members.append(Member(temporal.program))

    def _plan_sandbox(self) -> None:
        if self._settings.github_token or "github_api_url" in self._settings.model_fields_set:
            self._notes.append(f"GitHub: {self._settings.github_api_url}")
            return
        port = self._settings.sandbox_port
        self._sandbox_url = f"http://{LOOPBACK}:{port}"
        self._told |= {"GITHUB_API_URL": self._sandbox_url, "GITHUB_TOKEN": _SANDBOX_TOKEN}
        self._ports.append(("SLIPWAY_SANDBOX_PORT", port))
        where = ("--root", str(self._data_dir / "sandbox"), "--port", str(port), "--token", _SANDBOX_TOKEN)
        self._members.append(Member(self._http_program("sandbox", self._sandbox_url, *where)))

    def _plan_worker(self, needs: frozenset[str]) -> None:
        beats = Beats()  # it listens nowhere; that it also works is seen at the API's /ready
        program = Program(
            name="worker",
            command=_python("worker"),
            environment=self._environment_of_ours() | beats.told,
            prepare=beats.listen,
            release=beats.close,
            is_ready=beats.has_beaten,
            check=beats.check,
            grace=self._settings.drain_timeout + _EXTRA_GRACE,
        )
        self._members.append(Member(program, needs))

    def _plan_api(self, needs: frozenset[str]) -> None:
        self._ports.append(("SLIPWAY_API_PORT", self._settings.api_port))
        if self._settings.api_extra_port:
            self._ports.append(("SLIPWAY_API_EXTRA_PORT", self._settings.api_extra_port))
        program = self._http_program("api", f"{self._api_url()}/health/liveness")
        grace = self._settings.drain_timeout + _EXTRA_GRACE
        self._members.append(Member(replace(program, grace=grace), needs))

    def _http_program(self, module: str, url: str, *arguments: str) -> Program:
        check = answers(url)
        return Program(
            name=module,
            command=_python(module, *arguments),
            environment=self._environment_of_ours(),
            is_ready=_passes(check),
            check=check,
        )

    def _environment_of_ours(self) -> dict[str, str]:
        kept = {name: value for name, value in self._environment.items() if not name.startswith(_REPLACED)}
        return kept | self._told | {"SLIPWAY_TEMPORAL_UI_URL": self._ui_url}

    def _api_url(self) -> str:
        return f"http://{LOOPBACK}:{self._settings.api_port}"

    def _urls(self) -> dict[str, str]:
        urls = {"API": self._api_url(), "API docs": f"{self._api_url()}/docs", "Temporal": self._ui_url}
        if self._sandbox_url:
            urls["GitHub sandbox"] = self._sandbox_url
        return urls | {"logs": str(self._data_dir / "logs")}


def _python(module: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", module, *arguments)


def _passes(check: Check) -> Callable[[], Awaitable[bool]]:
    async def is_ready() -> bool:
        try:
            await check()
        except NotServing:
            return False
        return True

    return is_ready
