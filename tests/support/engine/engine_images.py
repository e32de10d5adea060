"""Builds on the real engine for tests: everything made bears a label and is gone afterwards."""

import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict, Unpack

from activities.adapters.docker.engine import DockerEngine
from activities.context.places import BuildContext, locate_context
from activities.ports.engine import EngineBuild, EngineBuildRequest, EngineImage, EngineOutcome
from models.rules.errors.domain import DomainError

LABEL = "slipway.test.run"


@dataclass(frozen=True)
class FinishedBuild:
    tag: str
    log: bytes
    outcome: EngineOutcome | None
    error: DomainError | None
    notices: tuple[str, ...] = ()


class Choices(TypedDict, total=False):
    files: Mapping[str, bytes]  # of the context, besides the Dockerfile
    build_args: Mapping[str, str]
    labels: Mapping[str, str]
    target: str
    dockerfile_path: str
    secrets: tuple[str, ...]
    tag: str


@dataclass
class Workshop:
    """Builds Dockerfiles under one label; `marker` makes a command new to the engine's cache."""

    engine: DockerEngine
    folder: Path
    marker: str = field(default_factory=lambda: uuid.uuid4().hex)
    tags: list[str] = field(default_factory=list)

    async def start(self, dockerfile: str, **choices: Unpack[Choices]) -> EngineBuild:
        name = uuid.uuid4().hex
        context, work = self.folder / f"{name}-context", self.folder / name
        work.mkdir(parents=True)
        context.mkdir()
        for path, content in {"Dockerfile": dockerfile.encode(), **choices.get("files", {})}.items():
            (context / path).write_bytes(content)
        tag = choices.get("tag", f"slipway-test/{name}:1")
        self.tags.append(tag)
        request = EngineBuildRequest(
            engine_build_id=f"test-{name}",
            tag=tag,
            context_dir=context,
            dockerfile=choices.get("dockerfile_path", "Dockerfile"),
            labels={LABEL: self.marker, **choices.get("labels", {})},
            build_args=choices.get("build_args", {}),
            target=choices.get("target"),
            secrets=choices.get("secrets", ()),
        )
        return await self.engine.start_build(request, work)

    async def build_in(self, source: Path, dockerfile_path: str, context: str | None = None) -> FinishedBuild:
        """Build from a source tree, as a builder does once it has unpacked one."""
        return await self.build_from(locate_context(source, dockerfile_path, context), dockerfile_path)

    async def build_from(self, found: BuildContext, dockerfile_path: str, target: str | None = None) -> FinishedBuild:
        name = uuid.uuid4().hex
        work = self.folder / name
        work.mkdir(parents=True)
        self.tags.append(f"slipway-test/{name}:1")
        request = EngineBuildRequest(
            engine_build_id=f"test-{name}",
            tag=self.tags[-1],
            context_dir=found.folder,
            context_name=found.name,
            dockerfile=dockerfile_path,
            dockerfile_file=found.dockerfile,
            ignore_file=found.ignore_file,
            labels={LABEL: self.marker},
            build_args={},
            target=target,
        )
        return await self.finish(await self.engine.start_build(request, work))

    async def build(self, dockerfile: str, **choices: Unpack[Choices]) -> FinishedBuild:
        return await self.finish(await self.start(dockerfile, **choices))

    async def finish(self, build: EngineBuild) -> FinishedBuild:
        outcome, error = None, None
        try:
            outcome = await build.result()
        except DomainError as failure:
            error = failure
        log = build.log_path.read_bytes()
        assert len(log) == build.log_size
        return FinishedBuild(self.tags[-1], log, outcome, error, build.notices)

    async def image(self, build: FinishedBuild) -> EngineImage:
        assert build.error is None, build.error
        image = await self.engine.image(build.tag)
        assert image is not None
        return image


@asynccontextmanager
async def open_workshop(folder: Path, engine: DockerEngine) -> AsyncIterator[Workshop]:
    """The engine must hold the base image, as `engines_under_test` gives them."""
    workshop = Workshop(engine, folder)
    try:
        yield workshop
    finally:
        for each in await workshop.engine.named(LABEL, workshop.marker):
            await workshop.engine.untag(each.reference)
        workshop.engine.close()
