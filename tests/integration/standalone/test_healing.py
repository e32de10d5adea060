"""The product's own programs, alive but of no use: the supervisor sees it, and starts them anew."""

import os
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass

import asyncpg
import httpx
import pytest
import pytest_asyncio

from standalone.free_ports import LOOPBACK, free_port
from standalone.servers.postgres import database_url
from tests.support.eventually import eventually
from tests.support.servers.supervised import Supervised, supervised

PORTS = ("API", "POSTGRES", "TEMPORAL", "TEMPORAL_UI", "SANDBOX")


@dataclass(frozen=True)
class Whole:
    """Postgres, Temporal, sandbox, worker and API, all real, under one supervisor."""

    supervisor: Supervised
    ports: dict[str, int]

    async def answers(self, port: str, path: str) -> bool:
        async with httpx.AsyncClient(trust_env=False, timeout=10) as http:
            try:
                return (await http.get(f"http://{LOOPBACK}:{self.ports[port]}{path}")).is_success
            except httpx.TransportError:
                return False

    async def session(self) -> "asyncpg.Connection[asyncpg.Record]":
        return await asyncpg.connect(database_url(self.supervisor.folder, self.ports["POSTGRES"]), timeout=10)


@pytest_asyncio.fixture(scope="module")
async def whole(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Whole]:
    ports = {name: free_port() for name in PORTS}
    environment = {f"SLIPWAY_{name}_PORT": str(port) for name, port in ports.items()}
    environment |= {"PATH": os.environ["PATH"], "SLIPWAY_API_EXTRA_PORT": "0", "SLIPWAY_ROLES": "workflows,relay"}
    module = "tests.support.servers.quick_stack"
    folder = tmp_path_factory.mktemp("whole")
    async with supervised(folder, module=module, environment=environment) as supervisor:
        await supervisor.said("all_ready")
        yield Whole(supervisor, ports)
        supervisor.process.send_signal(signal.SIGTERM)
        await supervisor.rest()


@pytest.mark.parametrize(
    ("name", "blow", "reason"),
    [
        ("postgres", signal.SIGTERM, "it takes no new connections: the database system is shutting down"),
        ("postgres", signal.SIGSTOP, "no answer within 3 s"),
        ("temporal", signal.SIGSTOP, "no answer"),
        ("sandbox", signal.SIGSTOP, "no answer"),
        ("worker", signal.SIGSTOP, "no answer within 3 s"),
        ("api", signal.SIGSTOP, "no answer"),
    ],
)
async def test_a_part_that_lives_but_does_not_serve_is_started_anew_and_the_others_stay(
    whole: Whole, name: str, blow: signal.Signals, reason: str
) -> None:
    client = await whole.session()  # a "smart" shutdown waits for it, for ever
    try:
        before = whole.supervisor.programs()
        os.kill(before[name].pid, blow)
        assert reason in await whole.supervisor.said(f"mute {name}")
        assert "lived but did not serve" in await whole.supervisor.said(f"restarting {name}")
        await whole.supervisor.said(f"ready {name}")
        after = whole.supervisor.programs()
        assert {part for part in before if before[part] != after[part]} == {name}
    finally:
        client.terminate()
    await (await whole.session()).close()
    assert await eventually(lambda: whole.answers("API", "/api/v1/images"))
    assert await eventually(lambda: whole.answers("TEMPORAL_UI", "/api/v1/namespaces/default"))
    assert await eventually(lambda: whole.answers("API", "/api/v1/images/github-tags?repo=demo/hello"))
