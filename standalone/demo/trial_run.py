"""Runs an image for a moment, to see that it answers."""

import time
from contextlib import closing
from datetime import timedelta

import docker
import httpx
from docker.errors import DockerException
from docker.models.containers import Container

from standalone.errors import CannotStart
from standalone.free_ports import LOOPBACK

_PATIENCE = 30  # seconds for one answer of the engine
_LOOK_AGAIN = 0.1  # seconds


def exposed_port(engine_url: str, image: str) -> int:
    """Return the first TCP port that the image exposes. Raises CannotStart when there is none."""
    try:
        with closing(docker.DockerClient(base_url=engine_url, timeout=_PATIENCE)) as engine:
            exposed = engine.images.get(image).attrs["Config"].get("ExposedPorts") or {}
    except DockerException as error:
        raise CannotStart(f"the Docker engine does not hold {image}: {error}") from error
    ports = [int(port.removesuffix("/tcp")) for port in exposed if port.endswith("/tcp")]
    if not ports:
        raise CannotStart(f"{image} exposes no port")
    return min(ports)


def answer_of(engine_url: str, image: str, port: int, labels: dict[str, str], within: timedelta) -> str:
    """Return the page that the image serves at /; its container is gone afterwards. Raises CannotStart."""
    try:
        with closing(docker.DockerClient(base_url=engine_url, timeout=_PATIENCE)) as engine:
            container = engine.containers.run(
                image, detach=True, init=True, ports={f"{port}/tcp": (LOOPBACK, 0)}, labels=labels
            )
            try:
                return _page(container, port, time.monotonic() + within.total_seconds())
            finally:
                container.remove(force=True, v=True)
    except DockerException as error:
        raise CannotStart(f"{image} does not run: {error}") from error


def _page(container: Container, port: int, deadline: float) -> str:
    while True:
        container.reload()
        if container.status in {"exited", "dead"}:
            raise CannotStart(f"the container ended; its log:\n{container.logs(tail=10).decode(errors='replace')}")
        if published := container.ports.get(f"{port}/tcp"):
            try:
                with httpx.Client(trust_env=False, timeout=2.0) as http:
                    return http.get(f"http://{LOOPBACK}:{published[0]['HostPort']}/").raise_for_status().text
            except httpx.HTTPError as error:
                silence = str(error)
        else:
            silence = "its port is not published"
        if time.monotonic() > deadline:
            raise CannotStart(f"the container does not answer: {silence}")
        time.sleep(_LOOK_AGAIN)
