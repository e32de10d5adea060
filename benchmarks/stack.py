"""The product that is measured: its real programs on free ports, in a data folder of its own, beside a running one."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import docker
import httpx
from pydantic import SecretStr

from benchmarks.api_client import ApiClient
from settings import Settings
from standalone.free_ports import LOOPBACK, free_port
from standalone.loopback_http import loopback_client
from standalone.programs import Program, RunningProgram
from standalone.servers.postgres import EmbeddedPostgres
from standalone.stack import Stack, standalone_stack

MADE_FOR = "slipway.made_for"  # the label of images that were built by hand
_ORDER = ("postgres", "temporal", "sandbox", "worker", "api")
_PORTS = ("postgres_port", "temporal_port", "temporal_ui_port", "sandbox_port", "api_port")
_SILENCE = timedelta(seconds=330)
_ENGINE_SECONDS = 120
_READY_SECONDS = 90
_LOOK_SECONDS = 0.1


@dataclass
class BenchStack:
    """The programs, by name, and where they are reached. `client` speaks to the API."""

    stack: Stack
    settings: Settings
    client: ApiClient
    prefix: str
    buildx: Path | None  # the client that drives builds; None: they go over the plain API
    _running: dict[str, RunningProgram] = field(default_factory=dict)

    @property
    def environment(self) -> Mapping[str, str]:
        """What the product's programs are told."""
        return self._program("worker").environment or {}

    @property
    def sources(self) -> Path:
        """The folder whose repositories the sandbox serves."""
        return self.stack.data_dir / "sandbox"

    @property
    def postgres(self) -> EmbeddedPostgres:
        """The running server, to make databases in."""
        return EmbeddedPostgres(self.stack.data_dir, self.settings.postgres_port)

    @property
    def temporal_address(self) -> str:
        return self.environment["TEMPORAL_ADDRESS"]

    def pid(self, name: str) -> int:
        return self._running[name].pid

    async def start(self, *names: str) -> None:
        for name in names:
            running = await RunningProgram.start(self._program(name), self.stack.log_of(name))
            self._running[name] = running
            await running.until_ready()

    async def stop(self, *names: str) -> None:
        for name in names:
            await self._running.pop(name).stop()

    @asynccontextmanager
    async def without(self, *names: str) -> AsyncIterator[None]:
        """Stop these programs for a while, so that they take no work and no time."""
        await self.stop(*reversed(names))
        try:
            yield
        finally:
            await self.start(*names)
            await until_success(self.client.http, "/ready")

    @asynccontextmanager
    async def over_the_plain_api(self) -> AsyncIterator[None]:
        """Run the worker without a client for builds for a while."""
        program = self._program("worker")
        environment = {**(program.environment or {}), "SLIPWAY_BUILDX": "off"}
        await self.stop("worker")
        try:
            plain = await RunningProgram.start(replace(program, environment=environment), self.stack.log_of("worker"))
            self._running["worker"] = plain
            await plain.until_ready()
            await until_success(self.client.http, "/ready")
            yield
        finally:
            await self.stop("worker")
            await self.start("worker")
            await until_success(self.client.http, "/ready")

    @asynccontextmanager
    async def api_on(self, database_url: str) -> AsyncIterator[httpx.AsyncClient]:
        """Run an API process on another database; yield a client of it."""
        settings = self.settings.model_copy(update={"api_port": free_port(), "database_url": SecretStr(database_url)})
        stack = standalone_stack(settings, {**self.environment, "SLIPWAY_API_PORT": str(settings.api_port)})
        program = next(member.program for member in stack.members if member.name == "api")
        running = await RunningProgram.start(program, stack.log_of("api-of-lists"))
        try:
            await running.until_ready()
            async with _http_of(settings.api_port) as http:
                await until_success(http, "/api/v1/images?limit=1")  # not /ready: nobody builds on that database
                yield http
        finally:
            await running.stop()

    async def stop_all(self) -> None:
        for name in reversed([*self._running]):
            await self.stop(name)

    async def remove_images(self, instance: str) -> None:
        """Take what was built here off the engine. Its cache of steps stays: it cannot be told from others'."""
        labels = (f"slipway.instance={instance}", f"{MADE_FOR}={self.prefix}")
        await asyncio.to_thread(_prune, self.settings.engine_url, labels)

    def _program(self, name: str) -> Program:
        return next(member.program for member in self.stack.members if member.name == name)


@asynccontextmanager
async def running_stack(
    folder: Path, engine_url: str, search_path: str, buildx: Path | None
) -> AsyncIterator[BenchStack]:
    """Run the whole product with its data in `folder` until the block ends. Raises CannotStart.

    `search_path` is the programs' PATH: nothing else of this process's environment reaches them.
    """
    ports = {name: free_port() for name in _PORTS}
    prefix = f"bench-{ports['api_port']}"
    given: dict[str, Any] = {"data_dir": folder, "engine_url": engine_url, "builder_name": prefix, "api_extra_port": 0}
    given |= ports | {"buildx": str(buildx or "off")}
    told = {f"SLIPWAY_{name.upper()}": str(value) for name, value in given.items()}
    environment = {"PATH": search_path, "HOME": str(folder), **told}
    settings = Settings(_env_file=None, **given)
    async with AsyncExitStack() as cleanup:
        http = await cleanup.enter_async_context(_http_of(settings.api_port))
        bench = BenchStack(standalone_stack(settings, environment), settings, ApiClient(http, prefix), prefix, buildx)
        cleanup.push_async_callback(bench.stop_all)
        await bench.start(*_ORDER)
        await until_success(http, "/ready")
        instance = (await http.get("/status")).json()["instance"]
        cleanup.push_async_callback(bench.remove_images, instance)
        yield bench


async def until_success(http: httpx.AsyncClient, path: str) -> None:
    """Return when the API answers this with success."""
    async with asyncio.timeout(_READY_SECONDS):
        while not (await http.get(path)).is_success:  # noqa: ASYNC110 - what is waited for are other processes
            await asyncio.sleep(_LOOK_SECONDS)


@asynccontextmanager
async def _http_of(port: int) -> AsyncIterator[httpx.AsyncClient]:
    async with loopback_client(_SILENCE) as http:
        http.base_url = httpx.URL(f"http://{LOOPBACK}:{port}")
        yield http


def _prune(engine_url: str, labels: tuple[str, ...]) -> None:
    engine = docker.DockerClient(base_url=engine_url, timeout=_ENGINE_SECONDS)
    try:
        for label in labels:
            engine.images.prune(filters={"dangling": False, "label": label})
    finally:
        engine.close()
