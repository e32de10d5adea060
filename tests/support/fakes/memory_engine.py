"""An engine in memory: its builds go on until a test ends them, and its images are only names."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

from activities.ports.engine import EngineBuildRequest, EngineImage, EngineInfo, EngineOutcome, EngineProgress
from models.rules.errors.domain import DomainError
from models.rules.errors.engine import BuildCancelled, EngineUnreachable, ImageGone
from tests.support.eventually import eventually

IMAGE_ID = "sha256:" + "ef" * 32


class MemoryBuild:
    """Implements activities.ports.engine.EngineBuild."""

    def __init__(self, log_path: Path) -> None:
        self.log_path = log_path
        self.log_size = 0
        self.progress = EngineProgress()
        self.log_loss: str | None = None
        self.notices: tuple[str, ...] = ()
        self.awaits: str | None = None
        self.is_cancelled = False
        self._error: DomainError | None = None
        self._end: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        log_path.touch()

    def write(self, data: bytes) -> None:
        with self.log_path.open("ab") as log:
            log.write(data)
        self.log_size += len(data)

    def succeed(self) -> None:
        self._end.set_result(None)

    def fail(self, error: DomainError) -> None:
        self._error = error
        self._end.set_result(None)

    def lose(self) -> None:
        """End as when the engine dies."""
        self.fail(EngineUnreachable("The engine went away in the middle of the build."))

    async def result(self) -> EngineOutcome:
        await asyncio.shield(self._end)
        if self._error is not None:
            raise self._error
        if self.is_cancelled:
            raise BuildCancelled("The engine's work was ended.")
        return EngineOutcome(IMAGE_ID)

    async def cancel(self) -> None:
        if not self._end.done():
            self.is_cancelled = True
            self._end.set_result(None)


class MemoryEngine:
    """Implements activities.ports.engine.ContainerEngine."""

    def __init__(self) -> None:
        self.builds: list[MemoryBuild] = []
        self.is_away = False
        self._tags: dict[str, str] = {}  # name:tag, image id

    async def info(self) -> EngineInfo:
        if self.is_away:
            raise EngineUnreachable("The engine does not answer.")
        return EngineInfo(version="20.10.24", api_version="1.41", honours_limits=False)

    async def start_build(self, request: EngineBuildRequest, work_dir: Path) -> MemoryBuild:
        self._tags[request.tag] = IMAGE_ID
        self.builds.append(MemoryBuild(work_dir / "build.log"))
        return self.builds[-1]

    async def image(self, reference: str) -> EngineImage | None:
        image_id = self._tags.get(reference, reference)
        if image_id not in self._tags.values():
            return None
        tags = tuple(tag for tag, named in self._tags.items() if named == image_id)
        labels: Mapping[str, str] = {}
        return EngineImage(image_id, size_bytes=1, platform="linux/amd64", layers=1, labels=labels, tags=tags)

    async def tag(self, image_id: str, reference: str) -> None:
        if image_id not in self._tags.values():
            raise ImageGone("There is no such image.")
        self._tags[reference] = image_id

    async def untag(self, reference: str) -> None:
        self._tags.pop(reference, None)

    async def tags_labelled(self, label: str, value: str) -> list[str]:
        return list(self._tags)

    async def next_build(self, number: int = 1) -> MemoryBuild:
        """Return the build that was started as the `number`th, when it has been."""

        async def found() -> list[MemoryBuild]:
            return self.builds

        return (await eventually(found, lambda builds: len(builds) >= number))[number - 1]
