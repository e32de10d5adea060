"""All SQL of runs: which Temporal run speaks for a build now."""

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from models.tables.build import Build, BuildRun


class RunRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def is_current(self, row: Build, run_id: str) -> bool:
        """Say whether a run speaks for the locked build; one that is seen first does, and takes it over.

        A continued, reset or restarted workflow has a new run id, whichever way it came about.
        """
        if row.run_id == run_id:
            return True
        if await self.is_known(row, run_id):
            return False  # it spoke before another one took over
        row.run_id, row.epoch, row.seq = run_id, row.epoch + 1, 0
        await self._session.execute(insert(BuildRun).values(build_id=row.id, run_id=run_id, epoch=row.epoch))
        return True

    async def is_known(self, row: Build, run_id: str) -> bool:
        if row.run_id == run_id:
            return True
        known = select(col(BuildRun.epoch)).where(col(BuildRun.build_id) == row.id, col(BuildRun.run_id) == run_id)
        return await self._session.scalar(known) is not None
