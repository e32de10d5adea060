"""How far attempts are: the one owner of `build_progress`."""

from uuid import UUID

from sqlalchemy import func, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from models.tables.build import BuildProgress


class ProgressRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def show(self, build_id: UUID, attempt: int, *, step: int, steps: int, last_line: str) -> None:
        """Store how far an attempt is; a later one is never overwritten. The caller keeps it to one write a second."""
        values = {"attempt": attempt, "step": step, "steps": steps, "last_line": last_line, "updated_at": func.now()}
        shown = postgresql.insert(BuildProgress).values(build_id=build_id, **values)
        is_newer = col(BuildProgress.attempt) <= attempt
        await self._session.execute(
            shown.on_conflict_do_update(index_elements=["build_id"], set_=values, where=is_newer)
        )

    async def complete(self, build_id: UUID, attempt: int) -> None:
        """Show all steps done: those of several stages run at once, so that the last one told need not be the last."""
        done = update(BuildProgress).where(
            col(BuildProgress.build_id) == build_id, col(BuildProgress.attempt) == attempt
        )
        await self._session.execute(done.values(step=col(BuildProgress.steps), updated_at=func.now()))
