"""A build that stands still says what it waits for, and does not wait for ever: on each engine."""

import hashlib
import json
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from models.rules.errors.engine import DockerBuildFailed
from tests.support.engine.engine_images import Workshop, open_workshop
from tests.support.engine.engines_under_test import EngineUnderTest
from tests.support.engine.near_servers import http_server, silent_server
from tests.support.waiting import until

BASE = "FROM busybox:1.36\n"
FROM_ELSEWHERE = {
    "base": "FROM {registry}/app:1\nRUN true\n",
    "copy": "FROM busybox:1.36\nCOPY --from={registry}/app:1 /x /x\n",
    "frontend": "# syntax={registry}/app:1\nFROM busybox:1.36\n",
}
# waiting takes its time: each engine and each way once
pytestmark = pytest.mark.parametrize(
    ("engine_host", "docker"), [("machine", "plain"), ("next", "buildx")], indirect=True
)


@asynccontextmanager
async def impatient(docker: EngineUnderTest, folder: Path, seconds: float) -> AsyncIterator[Workshop]:
    engine = docker.adapter(silence_limit=timedelta(seconds=seconds))
    async with open_workshop(folder, engine) as workshop:
        yield workshop


@pytest.mark.parametrize("dockerfile", FROM_ELSEWHERE.values(), ids=FROM_ELSEWHERE)
async def test_a_registry_that_stays_silent_is_told_within_seconds_and_ends_the_build(
    docker: EngineUnderTest, tmp_path: Path, dockerfile: str
) -> None:
    with silent_server(docker.url) as port:
        registry = f"127.0.0.1:{port}"
        async with impatient(docker, tmp_path, 6) as workshop:
            build = await workshop.start(dockerfile.format(registry=registry))
            await until(lambda: build.awaits is not None)
            told = str(build.awaits)
            finished = await workshop.finish(build)
    assert told.startswith(f"The registry {registry}: nothing has been heard of the image {registry}/app:1 since ")
    assert told.endswith("; the build fails when that lasts 6 seconds.")
    assert isinstance(finished.error, DockerBuildFailed)
    wanted = f"the registry {registry} stayed silent for 6 seconds, and the image {registry}/app:1 is not on the engine"
    assert wanted in finished.error.detail


async def test_a_download_that_stays_silent_is_told_but_may_take_its_time(
    docker: EngineUnderTest, tmp_path: Path
) -> None:
    with silent_server(docker.url) as port:
        url = f"http://127.0.0.1:{port}/large.tar"
        async with impatient(docker, tmp_path, 0.1) as workshop:
            build = await workshop.start(f"{BASE}ADD {url} /\n")
            await until(lambda: build.awaits is not None)
            told = str(build.awaits)
            await build.cancel()
    assert told.startswith(f"A download: nothing has been heard of {url} since ")


async def test_a_registry_that_falls_silent_in_the_middle_of_a_layer_ends_the_build(
    docker: EngineUnderTest, tmp_path: Path
) -> None:
    is_over = threading.Event()
    with http_server(docker.url, half_a_registry(is_over)) as port:
        async with impatient(docker, tmp_path, 5) as workshop:
            build = await workshop.start(f"FROM 127.0.0.1:{port}/app:1\nRUN true\n")
            finished = await workshop.finish(build)
            is_over.set()
    assert isinstance(finished.error, DockerBuildFailed)
    assert f"the registry 127.0.0.1:{port} stayed silent for 5 seconds" in finished.error.detail


async def test_a_step_that_is_silent_waits_for_nobody(docker: EngineUnderTest, tmp_path: Path) -> None:
    async with impatient(docker, tmp_path, 0.1) as workshop:
        build = await workshop.build(f"{BASE}RUN sleep 4 # {workshop.marker}\n")
    assert build.outcome is not None


def half_a_registry(is_over: threading.Event) -> Callable[[BaseHTTPRequestHandler], None]:
    """A registry that knows one image, and stops in the middle of its layer."""
    layer = b"l" * 100_000
    diffs = {"type": "layers", "diff_ids": [f"sha256:{'0' * 64}"]}
    config = json.dumps({"architecture": "amd64", "os": "linux", "config": {}, "rootfs": diffs}).encode()
    kind = "application/vnd.docker.distribution.manifest.v2+json"
    described = {
        "schemaVersion": 2,
        "mediaType": kind,
        "config": {**about(config), "mediaType": "application/vnd.docker.container.image.v1+json"},
        "layers": [{**about(layer), "mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip"}],
    }
    manifest = json.dumps(described).encode()
    known = {digest(config): (config, "application/octet-stream"), digest(layer): (layer, "application/octet-stream")}

    def answer(request: BaseHTTPRequestHandler) -> None:
        body, media = (
            (manifest, kind)
            if "/manifests/" in request.path
            else known.get(request.path.rpartition("/")[2], (b"", "application/json"))
        )
        request.send_response(200)
        request.send_header("Content-Type", media)
        request.send_header("Docker-Content-Digest", digest(body))
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        if request.command == "HEAD":
            return
        if body is not layer:
            request.wfile.write(body)
            return
        request.wfile.write(body[: len(body) // 2])
        is_over.wait()

    return answer


def digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def about(data: bytes) -> dict[str, object]:
    return {"digest": digest(data), "size": len(data)}
