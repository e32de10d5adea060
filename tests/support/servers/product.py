"""The whole product for end-to-end tests: its real programs on free ports, in a data folder of its own.

It shares the machine's Docker engine under an instance label of its own, and touches nothing of a running `make up`.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import docker
import httpx

from settings import Settings
from standalone.free_ports import LOOPBACK, free_port
from standalone.programs import Program, RunningProgram
from standalone.stack import Stack, standalone_stack
from tests.support.servers.held_changes import holding
from tests.support.servers.sandbox_server import git

_SETTLED = {"success", "failed"}
BUILD_SECRET = "npm-0123456789-of-the-builder"  # what its builder knows as the secret npm
_ORDER = ("postgres", "temporal", "sandbox", "worker", "api")
_PATIENCE_SECONDS = 90.0


class Product:
    """Programs by name (postgres, temporal, sandbox, worker, api, api-2), and clients of what they serve."""

    def __init__(self, stack: Stack, settings: Settings) -> None:
        self.stack = stack
        self.settings = settings
        self.data_dir = stack.data_dir
        self._nonce = uuid4().hex
        self.programs: dict[str, Program] = {member.name: member.program for member in stack.members}
        self.running: dict[str, RunningProgram] = {}
        self.api = httpx.AsyncClient(base_url=f"http://{LOOPBACK}:{settings.api_port}", timeout=330)
        self.sandbox = httpx.AsyncClient(base_url=f"http://{LOOPBACK}:{settings.sandbox_port}", timeout=30)
        self.engine = docker.DockerClient(base_url=settings.engine_url, timeout=60)

    @property
    def database_url(self) -> str:
        environment = self.programs["worker"].environment or {}
        return environment["DATABASE_URL"]

    @property
    def temporal_address(self) -> str:
        return f"{LOOPBACK}:{self.settings.temporal_port}"

    async def start(self, *names: str) -> None:
        """Start programs, or start them again after a death, and wait until each is ready."""
        for name in names:
            program = self.programs[name]
            self.running[name] = await RunningProgram.start(program, self.stack.log_of(name))
            await self.running[name].until_ready()

    async def kill(self, *names: str) -> None:
        """End programs with SIGKILL and wait until they are gone."""
        for name in names:
            os.kill(self.running[name].pid, signal.SIGKILL)
        for name in names:
            await self.running.pop(name).exited()

    async def stop(self, *names: str) -> list[int]:
        """End programs in an orderly way; return their exit codes."""
        return [await self.running.pop(name).stop() for name in names]

    async def start_second_api(self) -> httpx.AsyncClient:
        """Start another API process on the same database; return its client."""
        port = free_port()
        environment = {**(self.programs["api"].environment or {}), "SLIPWAY_API_PORT": str(port)}
        url = f"http://{LOOPBACK}:{port}"
        self.programs["api-2"] = replace(
            self.programs["api"], name="api-2", environment=environment, is_ready=lambda: _answers(f"{url}/health")
        )
        await self.start("api-2")
        return httpx.AsyncClient(base_url=url, timeout=330)

    async def until_ready(self) -> None:
        """Return when /ready says so."""
        await self.until(self._is_ready)

    async def _is_ready(self) -> bool:
        return (await self.api.get("/ready")).status_code == httpx.codes.OK

    async def until(self, condition: Any, seconds: float = _PATIENCE_SECONDS) -> Any:
        """Look until the awaited condition is truthy, and return it; fails after `seconds`."""
        async with asyncio.timeout(seconds):
            while not (found := await condition()):  # noqa: ASYNC110 - what is looked at lies in other processes
                await asyncio.sleep(0.05)
        return found

    @property
    def prefix(self) -> str:
        """What this installation's image names begin with, so that two on one host do not meet."""
        return f"e2e-{self.settings.builder_name}"

    @property
    def base(self) -> str:
        """Return a FROM line whose steps run for certain: those of another product may lie in the engine's cache."""
        return f"FROM busybox:1.36\nENV PRODUCT={self._nonce}\n"

    def repository(
        self,
        name: str,
        files: Mapping[str, str | bytes],
        *,
        tag: str = "v1",
        links: Mapping[str, str] | None = None,
        submodules: Collection[str] = (),
    ) -> str:
        """Make `e2e/<name>` in the sandbox with one tagged commit; return the commit. A repeat adds to it.

        `links` says what each of them leads to.
        """
        folder = self.data_dir / "sandbox" / "e2e" / name
        if not folder.exists():
            folder.mkdir(parents=True)
            git(folder, "init", "--quiet", "--initial-branch=main")
        for path, content in files.items():
            file = folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content if isinstance(content, bytes) else content.encode())
        for path, target in (links or {}).items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).symlink_to(target)
        git(folder, "add", "--all")
        for path in submodules:
            git(folder, "update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},{path}")
        git(folder, "commit", "--quiet", "--allow-empty", "--message", f"make {tag}")
        git(folder, "tag", tag)
        return git(folder, "rev-parse", "HEAD").strip()

    async def order(self, name: str, commit: str, *, tag: str = "v1", **more: Any) -> dict[str, Any]:
        """POST the image of `e2e/<name>`; return the row of the 201."""
        body = {"repo": f"e2e/{name}", "tag": tag, "commit_sha": commit, "image_name": f"{self.prefix}/{name}", **more}
        answer = await self.api.post("/api/v1/images", json=body)
        assert answer.status_code == httpx.codes.CREATED, answer.text
        row: dict[str, Any] = answer.json()
        return row

    async def image(self, image_id: int) -> dict[str, Any]:
        row: dict[str, Any] = (await self.api.get(f"/api/v1/images/{image_id}")).raise_for_status().json()
        return row

    async def settled(self, image_id: int, seconds: float = _PATIENCE_SECONDS) -> dict[str, Any]:
        """Wait for the build's end as a client would; the API may be away meanwhile."""

        async def ended() -> dict[str, Any] | None:
            try:
                row = await self.image(image_id)
            except httpx.HTTPError:
                return None
            return row if row["build_status"] in _SETTLED else None

        row: dict[str, Any] = await self.until(ended, seconds)
        return row

    async def until_log_has(self, image_id: int, text: str, seconds: float = _PATIENCE_SECONDS) -> None:
        async def is_there() -> bool:
            try:
                return text in (await self.api.get(f"/api/v1/images/{image_id}/log")).text
            except httpx.HTTPError:
                return False

        await self.until(is_there, seconds)

    async def rows(self, query: str, *arguments: object) -> list[asyncpg.Record]:
        """Read the database, as a check that the API's answers are the whole truth."""
        connection = await asyncpg.connect(self.database_url, timeout=10)
        try:
            return list(await connection.fetch(query, *arguments))
        finally:
            await connection.close()

    async def fault(self, **order: Any) -> None:
        """Switch a fault of the sandbox on."""
        (await self.sandbox.post("/_sandbox/faults", json=order)).raise_for_status()

    async def clear_faults(self) -> None:
        (await self.sandbox.delete("/_sandbox/faults")).raise_for_status()

    def temporary_files(self) -> list[Path]:
        """Return what lies in the work areas beside their locks."""
        return [path for path in (self.data_dir / "work").rglob("*") if path.is_file() and path.name != ".lock"]

    async def close(self) -> None:
        for name in reversed([*self.running]):
            await self.stop(name)
        await asyncio.to_thread(self._remove_images)
        self.engine.close()
        await self.api.aclose()
        await self.sandbox.aclose()

    def holding_builds(self, moment: str) -> AbstractAsyncContextManager[Callable[[], Awaitable[bool]]]:
        """Hold each change of a build's row that is `moment` (SQL over OLD and NEW) within its transaction."""
        return holding(self.database_url, "builds", "UPDATE", moment)

    def image_tags(self, **filters: str) -> list[str]:
        """Return the tags of images at the engine; in one call, because others' images go away meanwhile."""
        images = self.engine.api.images(filters=filters)
        return [tag for image in images for tag in image["RepoTags"] or () if tag != "<none>:<none>"]

    def _remove_images(self) -> None:
        for tag in self.image_tags():
            if tag.startswith(f"{self.prefix}/"):
                self.engine.images.remove(tag, force=True)


@asynccontextmanager
async def running_product(folder: Path, **settings: Any) -> AsyncIterator[Product]:
    """Run the whole product below `folder` until the block ends; `settings` as in Settings."""
    ports = {
        name: free_port() for name in ("postgres_port", "temporal_port", "temporal_ui_port", "sandbox_port", "api_port")
    }
    name = folder.name.lower().replace("_", "-")[:20] + f"-{ports['api_port']}"
    given = {"data_dir": folder, "builder_name": name, "api_extra_port": 0, **ports, **settings}
    told = {f"SLIPWAY_{key.upper()}": str(value) for key, value in given.items()}
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "SLIPWAY_LOG_LEVEL": "info", **told}
    wanted = Settings(_env_file=None, **given)
    product = Product(standalone_stack(wanted, environment), wanted)
    try:
        await product.start(*_ORDER)
        await product.until_ready()
        yield product
    finally:
        await product.close()


async def _answers(url: str) -> bool:
    try:
        async with httpx.AsyncClient(timeout=5) as http:
            return (await http.get(url)).is_success
    except httpx.TransportError:
        return False
