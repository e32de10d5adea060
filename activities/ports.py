"""What the activities need of the world. Docstrings are the contract; adapters and fakes pass the same tests."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol
from uuid import UUID


@dataclass(frozen=True)
class RepositoryTag:
    """A tag as GitHub lists it; CommitDetails tells more of its commit."""

    name: str
    commit_sha: str
    commit_url: str
    zipball_url: str
    tarball_url: str


@dataclass(frozen=True)
class CommitDetails:
    """What GitHub says of one commit. `date` is the committer's, `author` a name, `message` the whole text."""

    sha: str
    date: datetime
    author: str
    message: str


class SourceHost(Protocol):
    """GitHub, or what speaks its REST API."""

    async def resolve_tag(self, repo: str, tag: str) -> str:
        """Return the full commit sha (40 hex) that the tag names, annotated tags peeled. A pure read.

        Raises RepositoryNotFound, TagNotFound, SourceHostUnreachable, SourceHostRateLimited, SourceHostDenied.
        """
        ...

    def tarball(self, repo: str, commit: str) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Open the gzipped tarball of a commit as a stream of chunks; redirects are followed, the token stays home.

        Raises, also in mid-stream, what resolve_tag raises, and SourceBroken when the stream ends before its length.
        """
        ...

    async def tags(self, repo: str, limit: int) -> list[RepositoryTag]:
        """Return at most `limit` tags in GitHub's order, following its pages. Raises as resolve_tag."""
        ...

    async def commit(self, repo: str, sha: str) -> CommitDetails:
        """Return one commit's details. Raises as resolve_tag."""
        ...


class ObjectStore(Protocol):
    """Whole files by key. Keys are relative paths of `[A-Za-z0-9._-]` parts; a put is all or nothing."""

    async def put_file(self, key: str, path: Path) -> None:
        """Store the file's bytes; a repeat replaces. The file at `path` may be gone afterwards."""
        ...

    async def path_of(self, key: str) -> Path | None:
        """Return a local path to read the object from, None when there is none. Never write to it."""
        ...

    async def delete(self, key: str) -> None:
        """Remove the object; nothing happens when there is none."""
        ...


@dataclass(frozen=True)
class EngineInfo:
    version: str
    api_version: str
    honours_limits: bool  # whether memory and CPU limits of build steps take effect on this engine


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
class EngineBuildRequest:
    """One build for the engine: `engine_build_id` is never used twice, `tag` is this attempt's own."""

    engine_build_id: str
    tag: str
    context_dir: Path  # the folder that is the context; .dockerignore is applied on the way
    dockerfile: str  # path inside the context
    labels: Mapping[str, str]
    build_args: Mapping[str, str]
    target: str | None


@dataclass(frozen=True)
class BuildProgress:
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
    def progress(self) -> BuildProgress: ...

    @property
    def log_loss(self) -> str | None: ...

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

    async def tags_labelled(self, label: str, value: str) -> list[str]:
        """Return every name:tag of the images that bear `label=value`."""
        ...


@dataclass(frozen=True)
class RunAddress:
    """Where a build's workflow is found, and what its run needs to know from the start."""

    build_id: UUID
    generation: int
    workflow_id: str
    kind: str
    image: str
    third_party_id: str | None
    priority: int
    fairness_key: str
    correlation_id: str


@dataclass(frozen=True)
class ClosedRun:
    """A run that closed while its build was under way, as far as its search attributes tell."""

    build_id: UUID
    run_id: str
    is_terminated: bool  # an operator ended it; else it failed or ran out of time


class RunHistory(Protocol):
    """Temporal, as repairs need it."""

    async def closed_unfinished(self, since: datetime) -> list[ClosedRun]:
        """Return runs that closed after `since` with their build still pending or running, at most some hundreds.

        Raises OrchestratorUnreachable.
        """
        ...


class BuildRuns(Protocol):
    """Temporal, as delivery needs it. Both calls are idempotent and bounded in time."""

    async def poke(self, run: RunAddress) -> None:
        """Wake the open run, or start one. Raises OrchestratorUnreachable."""
        ...

    async def cancel(self, run: RunAddress) -> bool:
        """Ask the open run to cancel itself; False when there is none. Raises OrchestratorUnreachable."""
        ...
