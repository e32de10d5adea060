"""Build rows in a real Postgres, delivered by a real relay."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlmodel import col

from activities.build_records import BuildRecordActivities
from activities.outages import StoredOutages
from activities.ports.runs import RunAddress, Runs, RunStates
from activities.relay.relay import Relay
from activities.relay.repairs.chores import repairs
from models.postgres.database import Database
from models.postgres.hints import DIRTY, Hints
from models.repositories.build.ending import BuildEnding
from models.repositories.build.wishes import BuildWishes
from models.repositories.image.orders import ImageOrders
from models.rules.build_lifecycle import BuildStatus, Wish
from models.rules.build_payloads import Checkpoint, RequestedWish, WishReport
from models.rules.image_order import ImageOrder
from models.tables.build import Build, BuildFailure, BuildState
from tests.support.builds.addresses import address, build_of, delivery_by, order_in
from tests.support.builds.build_rows import RowNow

STAYS_OPEN = timedelta(days=14)
COMMIT = "0123456789abcdef0123456789abcdef01234567"
SECRET = "a-build-args-value-that-no-history-may-show"


class StoredBuildRows:
    """Implements tests.support.build_rows.BuildRows."""

    def __init__(self, database: Database, hints: Hints, patience: timedelta = timedelta(minutes=30)) -> None:
        self.outages = StoredOutages(database, hints, patience=patience)
        self._database = database
        self._hints = hints
        self._records = BuildRecordActivities(database, stays_open=STAYS_OPEN)

    @property
    def record_activities(self) -> Sequence[Callable[..., Any]]:
        return [self._records.claim_build, self._records.report_state, self._records.record_wish]

    async def order(self, name: str) -> RunAddress:
        async with self._database.transaction() as session:
            _image_id, build_id = await ImageOrders(session).order(
                image_order(name), queue_limit=1000, actor="anonymous", correlation_id="c0ffee"
            )
            generation = await session.scalar(select(col(Build.generation)).where(col(Build.id) == build_id))
        self._hints.give(DIRTY)
        return address(build_id, name, generation or 0)

    async def read(self, build_id: UUID) -> RowNow:
        async with self._database.transaction() as session:
            row = (await session.execute(select(Build).where(col(Build.id) == build_id))).scalar_one()
            failures = select(col(BuildFailure.error_code)).where(col(BuildFailure.build_id) == build_id)
            error_code = await session.scalar(failures.order_by(col(BuildFailure.created_at).desc()).limit(1))
            states = select(col(BuildState.state_code)).where(
                col(BuildState.build_id) == build_id, col(BuildState.state_code).between(1, 99)
            )
            entered = tuple((await session.scalars(states.order_by(col(BuildState.entered_at)))).all())
        return RowNow(
            status=BuildStatus(row.status),
            code=row.current_state,
            is_paused=row.paused,
            is_cancel_wanted=row.cancel_requested_at is not None,
            is_closed=row.closed_at is not None,
            error_code=error_code,
            entered=entered,
            notices=tuple(row.notices),
        )

    async def wish(self, run: RunAddress, wish: Wish, state_code: int | None = None) -> bool:
        wanted = RequestedWish(wish=wish, state_code=state_code)
        report = WishReport(build_id=build_of(run), generation=order_in(run).generation, wish=wanted)
        async with self._database.transaction() as session:
            is_taken = await BuildWishes(session).signalled(report)
        self._hints.give(DIRTY)
        return is_taken

    async def close(self, run: RunAddress) -> None:
        await self.order(run.summary.removesuffix(":v1"))

    async def succeed(self, build: Checkpoint, run_id: str) -> None:
        async with self._database.transaction() as session:
            builds = BuildEnding(session)
            locked = await builds.lock_for_success(build.build_id, run_id)
            assert locked is not None
            row, _facts, now = locked
            if row.status != BuildStatus.SUCCEEDED:
                image = {"docker_image_id": build.variables["image_id"], "image_uri": build.image, "size_bytes": 1}
                await builds.succeed(row, now, build, image)


@asynccontextmanager
async def stored_build_rows(
    url: str, runs: Runs, states: RunStates, *, patience: timedelta
) -> AsyncIterator[StoredBuildRows]:
    """Run a relay over the database of this URL, and give the rows that it delivers."""
    database = Database(url, pool_size=10)
    async with Hints(url) as hints:
        mended = repairs(database, states)
        relay = asyncio.create_task(
            Relay(database, hints, delivery_by(database, runs), mended, log_retention=timedelta(days=30)).run(),
            name="relay",
        )
        try:
            yield StoredBuildRows(database, hints, patience)
        finally:
            relay.cancel()
            with suppress(asyncio.CancelledError):
                await relay
            await database.close()


def image_order(name: str, **changes: Any) -> ImageOrder:
    wanted: dict[str, Any] = {"repo": "demo/hello", "tag": "v1", "commit_sha": COMMIT, "image_name": name}
    return ImageOrder(**(wanted | {"build_args": {"TOKEN": SECRET}} | changes))
