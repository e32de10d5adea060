"""A builder host with builds that are about to be registered there, and what may become of them meanwhile."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from temporalio.testing import ActivityEnvironment

from activities.image.building import ImageActivities
from models.repositories.execution import ExecutionEnd, ExecutionRepository
from models.rules.build_lifecycle import BuildStatus, Wish
from models.rules.build_payloads import Checkpoint, StageOutcome
from models.rules.image_reference import attempt_reference
from models.rules.run_contract import Label
from tests.support.builds.builder_hosts import Host
from tests.support.builds.stored_builds import BROKEN, Ordered, StoredBuilds, checkpoint
from tests.support.fakes.memory_engine import MemoryEngine

INSTANCE = "an-instance"
OLD, NEW = "sha256:" + "01" * 32, "sha256:" + "02" * 32


@dataclass
class Registry:
    """One builder host, and builds of one name:tag that are about to be registered there."""

    builds: StoredBuilds
    host: Host
    reference: str = "demo/served:v1"

    @property
    def engine(self) -> MemoryEngine:
        return self.host.engine

    async def built(self, image_id: str, *, name: str = "demo/served") -> tuple[Ordered, Checkpoint]:
        """Return a build of the name that came to this image, and where it stands: before it is registered."""
        build = await self.builds.running(name, at=40, force_rebuild=True)
        async with self.builds.database.transaction() as session:
            executions = ExecutionRepository(session)
            execution, _is_new = await executions.open_execution(build.build_id, "run-1", "host-1")
            await executions.end(execution.token or 0, ExecutionEnd("succeeded", docker_image_id=image_id))
        await self.builds.enter(build, 90)
        labels: dict[str, str] = {Label.INSTANCE: INSTANCE, Label.BUILD: str(build.build_id)}
        self.engine.hold(image_id, attempt_reference(build.build_id, execution.token or 0), labels)
        at = checkpoint(build)
        return build, at.model_copy(update={"variables": at.variables | {"image_id": image_id}})

    async def register(
        self, build: Checkpoint, environment: ActivityEnvironment | None = None, images: ImageActivities | None = None
    ) -> StageOutcome:
        environment = environment or ActivityEnvironment()
        environment.info = replace(environment.info, workflow_run_id="run-1")
        outcome: StageOutcome = await environment.run((images or self.host.images).register_image, build)
        return outcome

    async def serving(self) -> None:
        """Have an older build of the name in success."""
        _build, at = await self.built(OLD)
        await self.register(at)

    async def status(self, build: Ordered) -> str:
        return (await self.builds.row(build.build_id)).status


async def cancelled(registry: Registry, build: Ordered) -> None:
    assert await registry.builds.wish(build, Wish.CANCEL)


async def cancelled_for_good(registry: Registry, build: Ordered) -> None:
    await registry.builds.report(build, BuildStatus.CANCELLED, 90, 9)


async def failed(registry: Registry, build: Ordered) -> None:
    await registry.builds.report(build, BuildStatus.FAILED, 90, 9, failure=BROKEN)


Change = Callable[[Registry, Ordered], Awaitable[None]]
