"""The six stages of an image build without GitHub and engine: each does as its test says, and is remembered."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from temporalio import activity

from models.rules.build_payloads import ArtifactReport, Checkpoint, StageOutcome
from models.rules.errors.domain import DomainError
from tests.support.builds.build_rows import BuildRows
from tests.support.builds.stored_build_rows import COMMIT

HOST_QUEUE = "engine@fake-builder"
IMAGE_ID = "sha256:" + "cd" * 32
_SOURCE = f"source/demo/hello/{COMMIT}/{'ab' * 32}.tar.gz"
_BEAT_SECONDS = 0.1

Behaviour = Callable[[Checkpoint], Awaitable[StageOutcome | None]]  # None: go on as if nothing had been said
OUTCOMES = {
    "resolve_tag": StageOutcome(message=f"v1 is {COMMIT}", variables={"commit_sha": COMMIT}),
    "fetch_source": StageOutcome(
        message="20480 bytes",
        artifacts=(
            ArtifactReport(
                state_code=20,
                name="source_archive",
                type="source_archive",
                path=_SOURCE,
                storage_backend="local",
                size_bytes=20480,
                checksum="ab" * 32,
            ),
        ),
        variables={"source_key": _SOURCE, "source_sha256": "ab" * 32},
    ),
    "build_image": StageOutcome(
        message="attempt 1 on fake-builder",
        variables={"image_id": IMAGE_ID, "builder": "fake-builder"},
        host_queue=HOST_QUEUE,
    ),
    "inspect_image": StageOutcome(
        artifacts=(
            ArtifactReport(
                state_code=60,
                name="image",
                type="docker_image",
                path=IMAGE_ID,
                storage_backend="docker",
                size_bytes=4400000,
                checksum="cd" * 32,
                metadata={"platform": "linux/amd64", "layers": 1, "builder": "fake-builder"},
            ),
        ),
        variables={"image_platform": "linux/amd64", "image_size_bytes": "4400000"},
    ),
    "push_image": StageOutcome(message="no registry is configured"),
    "register_image": StageOutcome(message="registered", variables={"image_uri": "demo/hello:v1"}),
}


class Gate:
    """A stage that has begun and waits for its test. `was_told_to_end` when a cancel reached it."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.may_end = asyncio.Event()
        self.was_told_to_end = False

    async def __call__(self, _build: Checkpoint) -> None:
        self.begun.set()
        try:
            while not self.may_end.is_set():
                activity.heartbeat()
                await asyncio.sleep(_BEAT_SECONDS)
        except asyncio.CancelledError:
            self.was_told_to_end = True
            raise


class Silence(Gate):
    """A stage whose worker is gone: it neither beats nor hears."""

    async def __call__(self, _build: Checkpoint) -> None:
        self.begun.set()
        while not self.may_end.is_set():
            try:
                await self.may_end.wait()
            except asyncio.CancelledError:
                self.was_told_to_end = True


def fails(error: DomainError) -> Behaviour:
    async def fail(_build: Checkpoint) -> None:
        raise error

    return fail


def says(notice: str) -> Behaviour:
    """Fetch the source, and say something of it."""

    async def say(_build: Checkpoint) -> StageOutcome:
        return OUTCOMES["fetch_source"].model_copy(update={"notices": (notice,)})

    return say


def goes_back(to: int) -> Behaviour:
    async def go_back(_build: Checkpoint) -> StageOutcome:
        return StageOutcome(message="what was kept is gone", back_to=to)

    return go_back


class FakeStages:
    def __init__(self, rows: BuildRows) -> None:
        self._rows = rows
        self.outages = rows.outages
        self._scripts: dict[tuple[str, str], list[Behaviour]] = {}
        self.calls: list[tuple[str, str]] = []  # image, stage

    @property
    def activities(self) -> Sequence[Callable[..., Any]]:
        return [self._stage(name) for name in OUTCOMES]

    def script(self, image: str, stage: str, *behaviours: Behaviour) -> None:
        """Say what the next calls of a stage do for the build of this image; later ones end well."""
        self._scripts[image, stage] = list(behaviours)

    def calls_for(self, image: str) -> list[str]:
        return [stage for called_for, stage in self.calls if called_for == image]

    def _stage(self, name: str) -> Callable[..., Any]:
        @activity.defn(name=name)
        async def stage(build: Checkpoint) -> StageOutcome:
            self.calls.append((build.image, name))
            script = self._scripts.get((build.image, name))
            outcome = await script.pop(0)(build) if script else None
            if outcome is None and name == "register_image":
                await self._rows.succeed(build, activity.info().workflow_run_id or "")
            return outcome or OUTCOMES[name]

        return stage
