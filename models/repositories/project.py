"""All SQL of projects."""

from uuid import UUID

from sqlalchemy import case, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from models.rules.errors.request import RequestInvalid
from models.tables.project import Project

_LONGEST_SHOWN = 100


class ProjectRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def active_id(self, given: str) -> UUID:
        """Return the id of the project that is spelled by its UUID, its slug or its name; the first of these counts.

        Raises RequestInvalid for an unknown or inactive one.
        """
        by_id, by_slug = col(Project.id) == _uuid(given), col(Project.slug) == given
        spelled = (
            select(col(Project.id), col(Project.is_active))
            .where(or_(by_id, by_slug, col(Project.name) == given))
            .order_by(case((by_id, 0), (by_slug, 1), else_=2))
            .limit(1)
        )
        found = (await self._session.execute(spelled)).one_or_none()
        if found is None:
            raise RequestInvalid(
                f"project_id: there is no project '{given[:_LONGEST_SHOWN]}'; send the UUID, slug or name of one.",
                field="project_id",
            )
        if not found.is_active:
            # not the next that fits: one spelling must not begin to mean another project
            raise RequestInvalid(
                f"project_id: project '{given[:_LONGEST_SHOWN]}' is not active; activate it, or send another.",
                field="project_id",
            )
        project_id: UUID = found.id
        return project_id


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
