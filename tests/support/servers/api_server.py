"""A running API for tests: real HTTP on a free port, over a real Postgres; only Temporal is a fake."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx

from activities.adapters.github.rest import GitHub
from activities.adapters.object_store.local import LocalStore
from activities.ports.runs import RunAddress
from activities.work_area import WorkArea
from api.app import create_app
from api.parts import Api, ApiWorld
from api.server.connection import PATIENCE, Patience
from api.server.listener import listen
from api.server.serving import Server
from models.postgres.database import Database
from models.postgres.hints import Hints
from models.rules.errors.orchestrator import OrchestratorUnreachable
from tests.support.eventually import eventually

NOWHERE = "http://127.0.0.1:1"  # nobody listens there
_CALL_SECONDS = 30
_UNLIMITED = httpx.Limits(max_connections=None, max_keepalive_connections=None)


@dataclass
class FakeRuns:
    """An api.gateway.Orchestrator that remembers what it was told."""

    is_down: bool = False
    complaint: str = "Temporal is down."
    pokes: list[RunAddress] = field(default_factory=list)
    cancels: list[RunAddress] = field(default_factory=list)

    async def poke(self, run: RunAddress) -> None:
        self._check()
        self.pokes.append(run)

    async def cancel(self, run: RunAddress) -> bool:
        self._check()
        self.cancels.append(run)
        return True

    async def ping(self) -> None:
        self._check()

    def _check(self) -> None:
        if self.is_down:
            raise OrchestratorUnreachable(self.complaint)


class _Server(Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield  # the signals are pytest's


@dataclass(frozen=True)
class RunningApi:
    url: str
    http: httpx.AsyncClient
    api: Api
    runs: FakeRuns
    server: _Server
    serving: "asyncio.Task[None]"

    async def stop(self) -> None:
        """End as on SIGTERM. A repeat is harmless."""
        self.api.stop()
        self.server.should_exit = True
        await self.serving

    async def order(self, image_name: str = "hello", **changes: Any) -> dict[str, Any]:
        """POST an image; return the row of the 201."""
        answer = await self.http.post("/api/v1/images", json=order_of(image_name, **changes))
        assert answer.status_code == 201, answer.text
        row: dict[str, Any] = answer.json()
        return row

    async def image(self, image_id: int, **query: Any) -> dict[str, Any]:
        row: dict[str, Any] = (
            (await self.http.get(f"/api/v1/images/{image_id}", params=query)).raise_for_status().json()
        )
        return row


def order_of(image_name: str = "hello", **changes: Any) -> dict[str, Any]:
    wanted = {"repo": "demo/hello", "tag": "v1.0.0", "commit_sha": "0123456", "image_name": image_name}
    return wanted | changes


@asynccontextmanager
async def running_api(
    database_url: str,
    folder: Path,
    *,
    github_url: str = NOWHERE,
    runs: FakeRuns | None = None,
    patience: Patience = PATIENCE,
    **given: Any,
) -> AsyncIterator[RunningApi]:
    """Serve until the block ends; `given` are further fields of ApiWorld. Several at once may share a database."""
    runs = runs or FakeRuns()
    async with AsyncExitStack() as stack:
        hints, pool_wait = Hints(database_url), timedelta(seconds=5)
        databases = [Database(database_url, pool_size=size, pool_wait=pool_wait, hints=hints) for size in (10, 6, 4)]
        for database in databases:
            stack.push_async_callback(database.close)
        source_host = GitHub(github_url, None, timedelta(seconds=10))
        stack.push_async_callback(source_host.aclose)
        app = create_app(
            ApiWorld(
                requests=databases[0],
                streams=databases[1],
                deliveries=databases[2],
                hints=hints,
                runs=runs,
                source_host=source_host,
                **{
                    "store": LocalStore(folder / "objects"),
                    "area": stack.enter_context(WorkArea(folder / "work")),
                    **given,
                },
            )
        )
        listener = stack.enter_context(listen("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        server = _Server(app, drain_timeout=timedelta(seconds=5), patience=patience)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        http = httpx.AsyncClient(base_url=url, trust_env=False, timeout=_CALL_SECONDS, limits=_UNLIMITED)
        running = RunningApi(url, await stack.enter_async_context(http), app.state.api, runs, server, serving)
        try:
            await eventually(lambda: _is_usable(running))
            yield running
        finally:
            await running.stop()


async def gauge(running: RunningApi, name: str) -> float:
    """Return one of the app's figures, 0 while there is none."""
    return running.api.metrics.registry.get_sample_value(name) or 0.0


async def _is_usable(running: RunningApi) -> bool:
    return (await running.http.get("/api/v1/images")).is_success
