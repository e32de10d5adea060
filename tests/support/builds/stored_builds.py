"""Builds in a real Postgres for tests of repositories: ordered, claimed, failed and ended in a line each."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import select, text
from sqlmodel import col

from models.postgres.database import Database
from models.repositories.build.ending import BuildEnding
from models.repositories.build.reports import BuildReports
from models.repositories.build.wishes import BuildWishes
from models.repositories.image.orders import ImageOrders
from models.repositories.image.reading import ImageReading, ImageView
from models.rules.build_lifecycle import BuildStatus, Wish
from models.rules.build_payloads import (
    Checkpoint,
    Claim,
    Claimed,
    FailureReport,
    RequestedWish,
    RowView,
    StateReport,
    WishReport,
)
from models.tables.build import Build
from tests.support.builds.stored_build_rows import COMMIT, image_order

STAYS_OPEN = timedelta(days=14)
IMAGE_ID = "sha256:" + "cd" * 32
BROKEN = FailureReport(
    message="Docker build failed: exit code 1.",
    code="docker_build_failed",
    component="build_image",
    failing_step="Step 2/3 : RUN false",
    exit_code=1,
)


@dataclass(frozen=True)
class Ordered:
    image_id: int
    build_id: UUID
    generation: int
    name: str


class StoredBuilds:
    def __init__(self, database: Database) -> None:
        self.database = database

    async def order(self, name: str | None = None, *, queue_limit: int = 1000, **changes: Any) -> Ordered:
        name = name or f"demo/{uuid4().hex[:12]}"
        async with self.database.transaction() as session:
            image_id, build_id = await ImageOrders(session).order(
                image_order(name, **changes), queue_limit=queue_limit, actor="anonymous", correlation_id="c0ffee"
            )
        generation = (await self.row(build_id)).generation
        return Ordered(image_id, build_id, generation or 0, name)

    async def row(self, build_id: UUID) -> Build:
        async with self.database.transaction() as session:
            return (await session.execute(select(Build).where(col(Build.id) == build_id))).scalar_one()

    async def claim(
        self, build: Ordered | Checkpoint, run_id: str = "run-1", *, stays_open: timedelta = STAYS_OPEN
    ) -> Claimed:
        async with self.database.transaction() as session:
            claim = Claim(build_id=build.build_id, generation=build.generation, run_id=run_id)
            return await BuildReports(session).claim(claim, stays_open=stays_open)

    async def report(
        self, build: Ordered | Checkpoint, status: BuildStatus, code: int, seq: int, **more: Any
    ) -> RowView:
        told: dict[str, Any] = {"run_id": "run-1"} | more
        async with self.database.transaction() as session:
            report = StateReport(
                build_id=build.build_id, generation=build.generation, status=status, code=code, seq=seq, **told
            )
            return await BuildReports(session).report(report)

    async def wish(self, build: Ordered | Checkpoint, wish: Wish, state_code: int | None = None) -> bool:
        async with self.database.transaction() as session:
            wanted = RequestedWish(wish=wish, state_code=state_code)
            report = WishReport(build_id=build.build_id, generation=build.generation, wish=wanted)
            return await BuildWishes(session).signalled(report)

    async def running(self, name: str | None = None, *, at: int = 10, run_id: str = "run-1", **changes: Any) -> Ordered:
        build = await self.order(name, **changes)
        await self.claim(build, run_id)
        await self.report(build, BuildStatus.RUNNING, at, 1, run_id=run_id)
        return build

    async def enter(self, build: Ordered | Checkpoint, code: int) -> None:
        """Go on, or back, to a state as the build's own run does."""
        row = await self.row(build.build_id)
        await self.report(build, BuildStatus.RUNNING, code, row.seq + 1, run_id=row.run_id)

    async def failed(self, name: str | None = None, *, at: int = 40, **changes: Any) -> Ordered:
        build = await self.running(name, at=at, **changes)
        await self.report(build, BuildStatus.FAILED, at, 2, failure=BROKEN)
        return build

    async def succeeded(self, name: str | None = None, **changes: Any) -> Ordered:
        build = await self.running(name, at=90, **changes)
        await self.succeed(build)
        return build

    async def succeed(self, build: Ordered, run_id: str = "run-1") -> bool:
        """End a build in success as registering does; False when another run speaks for it."""
        async with self.database.transaction() as session:
            builds = BuildEnding(session)
            locked = await builds.lock_for_success(build.build_id, run_id)
            if locked is None:
                return False
            row, _facts, now = locked
            image = {"docker_image_id": IMAGE_ID, "image_uri": f"{build.name}:v1", "size_bytes": 4400000}
            await builds.succeed(row, now, checkpoint(build), image)
        return True

    async def fetch(self, query: str, **arguments: Any) -> list[dict[str, Any]]:
        async with self.database.transaction() as session:
            return [dict(row) for row in (await session.execute(text(query), arguments)).mappings()]

    async def events(self, build: Ordered) -> list[str]:
        found = await self.fetch("SELECT type FROM events WHERE subject = :s ORDER BY id", s=f"build/{build.build_id}")
        return [row["type"] for row in found]


def checkpoint(build: Ordered, code: int = 90) -> Checkpoint:
    return Checkpoint(
        build_id=build.build_id,
        generation=build.generation,
        code=code,
        name=f"build-{build.build_id.hex}",
        image=f"{build.name}:v1",
        repo="demo/hello",
        tag="v1",
        correlation_id="c0ffee",
        variables={"commit_sha": COMMIT, "image_id": IMAGE_ID},
    )


async def states(builds: StoredBuilds, build: Ordered) -> list[tuple[int, int, str]]:
    """Return code, attempt and status of each state, in the order they were entered."""
    rows = await builds.fetch(
        "SELECT state_code, attempt, status FROM build_states WHERE build_id = :b ORDER BY entered_at, state_code",
        b=build.build_id,
    )
    return [(row["state_code"], row["attempt"], row["status"]) for row in rows]


async def view(database: Database, image_id: int) -> ImageView:
    async with database.transaction() as session:
        return await ImageReading(session).view(image_id)


async def waiting(builds: StoredBuilds) -> set[UUID]:
    return {UUID(row["id"]) for row in await builds.fetch("SELECT id FROM dirty_keys")}
