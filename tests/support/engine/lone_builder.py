"""A worker's process reduced to one build, to be killed: `python -m …lone_builder URL CLIENT FOLDER`.

CLIENT is the plugin's path, or empty for the plain API; FOLDER holds the context, and room for the build's own files.
"""

import asyncio
import sys
from pathlib import Path

from activities.adapters.docker.buildx.plugin import BuildxPlugin
from activities.adapters.docker.engine import DockerEngine
from activities.ports.engine import EngineBuildRequest


async def build(url: str, client: str, folder: Path) -> None:
    engine = DockerEngine(url, buildx=BuildxPlugin(Path(client), "of this machine") if client else None)
    work = folder / "work"
    work.mkdir()
    request = EngineBuildRequest(
        f"lone-{folder.name}", f"slipway-test/{folder.name}:1", folder / "context", "Dockerfile", {}, {}, None
    )
    await (await engine.start_build(request, work)).result()


if __name__ == "__main__":
    asyncio.run(build(sys.argv[1], sys.argv[2], Path(sys.argv[3])))
