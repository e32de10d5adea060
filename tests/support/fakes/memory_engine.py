"""An engine in memory: its builds go on until a test ends them, and its images are only names."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from activities.ports.engine import (
    EngineBuildRequest,
    EngineImage,
    EngineInfo,
    EngineOutcome,
    EngineProgress,
    NamedImage,
)
from models.rules.errors.domain import DomainError
from models.rules.errors.engine import BuildCancelled, EngineUnreachable, ImageGone
from tests.support.eventually import eventually

IMAGE_ID = "sha256:" + "ef" * 32


class MemoryBuild:
    """Implements activities.ports.engine.EngineBuild."""

    def __init__(self, log_path: Path, make_image: Callable[[], None]) -> None:
        self._make_image = make_image
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
        self._make_image()
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
        self._labels: dict[str, Mapping[str, str]] = {}  # of every image, named or not
        self.answers = asyncio.Event()  # cleared: calls about images hang
        self.answers.set()
        self.when_tagged: Callable[[], Awaitable[object]] | None = None  # before the caller learns that a name is given

    async def info(self) -> EngineInfo:
        if self.is_away:
            raise EngineUnreachable("The engine does not answer.")
        return EngineInfo(version="20.10.24", api_version="1.41", honours_limits=False)

    async def start_build(self, request: EngineBuildRequest, work_dir: Path) -> MemoryBuild:
        build = MemoryBuild(work_dir / "build.log", lambda: self._make(request))
        self.builds.append(build)
        return build

    def hold(self, image_id: str, reference: str, labels: Mapping[str, str]) -> None:
        """Have an image under a name."""
        self._labels[image_id] = labels
        self._tags[reference] = image_id

    def lose(self, image_id: str) -> None:
        """Have an image and its names no more, as after a prune."""
        del self._labels[image_id]
        self._tags = {reference: named for reference, named in self._tags.items() if named != image_id}

    def bearer(self, reference: str) -> str | None:
        """Return the image that bears this name."""
        return self._tags.get(reference)

    async def image(self, reference: str) -> EngineImage | None:
        await self.answers.wait()
        image_id = self._tags.get(reference, reference)
        if image_id not in self._labels:
            return None
        tags = tuple(tag for tag, named in self._tags.items() if named == image_id)
        labels = self._labels[image_id]
        return EngineImage(image_id, size_bytes=1, platform="linux/amd64", layers=1, labels=labels, tags=tags)

    async def tag(self, image_id: str, reference: str) -> None:
        await self.answers.wait()
        if image_id not in self._labels:
            raise ImageGone("There is no such image.")
        self._tags[reference] = image_id
        if self.when_tagged is not None:
            await self.when_tagged()

    async def untag(self, reference: str) -> None:
        await self.answers.wait()
        image_id = self._tags.pop(reference, None)
        if image_id is not None and image_id not in self._tags.values():
            del self._labels[image_id]  # with its last name; a name that moves leaves it

    async def named(self, label: str, value: str) -> list[NamedImage]:
        await self.answers.wait()
        found = [NamedImage(reference, image, self._labels[image]) for reference, image in self._tags.items()]
        return [each for each in found if each.labels.get(label) == value]

    def _make(self, request: EngineBuildRequest) -> None:
        self.hold(IMAGE_ID, request.tag, request.labels)

    async def next_build(self, number: int = 1) -> MemoryBuild:
        """Return the build that was started as the `number`th, when it has been."""

        async def found() -> list[MemoryBuild]:
            return self.builds

        return (await eventually(found, lambda builds: len(builds) >= number))[number - 1]
