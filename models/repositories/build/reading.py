"""What stages read of a build's row, without a lock."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from models.tables.build import Build


@dataclass(frozen=True)
class BuildInputs:
    """What a stage needs and no payload carries."""

    build_id: UUID
    repo: str
    wanted_commit: str
    dockerfile_path: str
    context: str | None  # a folder of the repository; None: the Dockerfile's own
    target: str | None
    build_args: dict[str, str]
    secrets: tuple[str, ...]


class BuildReading:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def inputs(self, build_id: UUID) -> BuildInputs:
        row = (await self._session.execute(select(Build).where(col(Build.id) == build_id))).scalar_one()
        return BuildInputs(
            build_id=row.id,
            repo=row.repo or "",
            wanted_commit=row.wanted_commit or "",
            dockerfile_path=row.dockerfile_path or "Dockerfile",
            context=row.context,
            target=row.target,
            build_args=row.build_args,
            secrets=tuple(row.secrets),
        )

    async def is_cancel_wanted(self, build_id: UUID) -> bool:
        wanted = select(col(Build.cancel_requested_at)).where(col(Build.id) == build_id)
        return await self._session.scalar(wanted) is not None
