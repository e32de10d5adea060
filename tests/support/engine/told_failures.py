"""What engines say of builds that fail: the same each time, and no detail of the engine's host."""

import re

import pytest

from models.rules.errors.engine import DockerBuildFailed
from tests.support.engine.engine_images import Choices, Workshop

BASE = "FROM busybox:1.36\n"
NO_DETAIL = re.compile(r"/var/lib|overlay2|snapshots/|buildkit-mount|/docker/|slipway-engine-|[0-9a-f]{8}-[0-9a-f]{4}-")


async def told(workshop: Workshop, dockerfile: str, choices: Choices | None = None) -> str:
    """Build twice and return what was said, which must be the same both times."""
    said = []
    for _time in range(2):
        build = await workshop.build(dockerfile, **(choices or {}))
        assert isinstance(build.error, DockerBuildFailed), build.log
        said.append(build.error.detail)
    assert said[0] == said[1]
    assert not NO_DETAIL.search(said[0])
    return said[0]


# The words depend on the engine's version, and a little on the way, but not on how images are stored.
stores_alike = pytest.mark.parametrize(
    ("engine_host", "docker"), [("machine", "plain"), ("machine", "buildx"), ("next", "buildx")], indirect=True
)
