"""What explains a failed build beside the engine's own words. Asked for only when one has failed."""

from pathlib import Path
from typing import Protocol

from activities.context.dockerfile import Dockerfile
from activities.ports.engine import EngineBuildRequest

DOCKER_ROOT = "/var/lib/docker"
_MOST_READ_BYTES = 256 * 1024


class EngineFacts(Protocol):
    """The engine, asked by whoever explains. Blocks for seconds at most and never raises: what is not told is None."""

    def version(self) -> str | None: ...

    def root(self) -> str | None:
        """Return the folder on its host that is the engine's own."""
        ...

    def platform(self) -> str | None:
        """Return its own platform, like "linux/amd64"."""
        ...

    def platform_of(self, image: str) -> str | None:
        """Return the platform of an image that the engine holds."""
        ...


def dockerfile_of(request: EngineBuildRequest) -> Dockerfile:
    """Read the Dockerfile that was built, its beginning if it is huge; an empty one when it cannot be read. Blocks."""
    path = request.dockerfile_file
    if path is None:
        root = request.context_dir.resolve()
        path = (root / request.dockerfile).resolve()
        if not path.is_relative_to(root):
            return Dockerfile("")
    return Dockerfile(_beginning(path))


def _beginning(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_MOST_READ_BYTES).decode(errors="replace")
    except OSError:
        return ""
