"""The Docker engine of a builder host."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class EngineInfo:
    version: str
    api_version: str
    honours_limits: bool  # whether memory and CPU limits of build steps take effect on this engine
    builds_by: str = ""  # how it is made to build, for people
    clips_at: str | None = None  # the limit ("200KiB/s") at which it was last seen to clip a step's log


@dataclass(frozen=True)
class EngineImage:
    """An image as the engine holds it. `layers` is their number, `platform` like "linux/amd64"."""

    id: str
    size_bytes: int
    platform: str
    layers: int
    labels: Mapping[str, str]
    tags: tuple[str, ...]


@dataclass(frozen=True)
class NamedImage:
    """A name:tag that an image bears at an engine."""

    reference: str
    image_id: str
    labels: Mapping[str, str]


@dataclass(frozen=True)
class EngineBuildRequest:
    """One build for the engine: `engine_build_id` is never used twice, `tag` is this attempt's own."""

    engine_build_id: str
    tag: str
    context_dir: Path  # the folder that is the context, as a clone holds it; the ignore file is applied on the way
    dockerfile: str  # path inside the context, or with `dockerfile_file` only what it is called
    labels: Mapping[str, str]
    build_args: Mapping[str, str]
    target: str | None
    context_name: str = "."  # the context's path in the source, for words
    dockerfile_file: Path | None = None  # a regular file, maybe outside the context; no link leads to it
    secrets: tuple[str, ...] = ()  # names of what its steps may mount; the engine's adapter knows the values
    ignore_file: Path | None = None  # likewise; with a dockerfile_file, None is no rules


@dataclass(frozen=True)
class EngineProgress:
    """How far a build is: step n of m (0 of 0 before the engine has announced any) and the log's last line."""

    step: int = 0
    steps: int = 0
    last_line: str = ""


@dataclass(frozen=True)
class EngineOutcome:
    """What the engine built. `log_loss` is a sentence when the engine clipped or lost some of the log, else None."""

    image_id: str
    log_loss: str | None = None


class EngineBuild(Protocol):
    """A build that runs in the engine, from start_build on, whatever happens to the task that watches it."""

    @property
    def log_path(self) -> Path:
        """The log so far: redacted, rendered, only appended to."""
        ...

    @property
    def log_size(self) -> int:
        """Bytes of the log that are whole on disk, in the sense that a reader may take them."""
        ...

    @property
    def progress(self) -> EngineProgress: ...

    @property
    def log_loss(self) -> str | None: ...

    @property
    def notices(self) -> tuple[str, ...]:
        """Sentences: what a person should know of how it is built, as far as known; final at the end."""
        ...

    @property
    def awaits(self) -> str | None:
        """A sentence when the build stands still for what does not come from elsewhere, such as a registry's answer."""
        ...

    async def result(self) -> EngineOutcome:
        """Wait for the end; may be awaited many times, and a cancelled wait ends only the waiting.

        Raises DockerBuildFailed, DockerfileInvalid, EngineRefused, EngineUnreachable (the engine went away),
        BuildCancelled after cancel().
        """
        ...

    async def cancel(self) -> None:
        """End the build in the engine and return when its stream has ended. A repeat is harmless."""
        ...


class ContainerEngine(Protocol):
    """The Docker engine of this host."""

    async def info(self) -> EngineInfo:
        """Raise EngineUnreachable when it does not answer within seconds."""
        ...

    async def start_build(self, request: EngineBuildRequest, work_dir: Path) -> EngineBuild:
        """Begin; spool and log files lie in `work_dir`, which the caller removes when the build has ended."""
        ...

    async def image(self, reference: str) -> EngineImage | None:
        """Look an image up by id, name:tag or digest; None when the engine does not hold it."""
        ...

    async def tag(self, image_id: str, reference: str) -> None:
        """Name the image. A repeat is harmless. Raises ImageGone."""
        ...

    async def untag(self, reference: str) -> None:
        """Take a name away; the layers stay for the cache. Nothing happens when there is none."""
        ...

    async def named(self, label: str, value: str) -> list[NamedImage]:
        """Return every name:tag of the images that bear `label=value`, each with its image."""
        ...
