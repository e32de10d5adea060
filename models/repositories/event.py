"""Events: every change of a build or an image, only added to."""

from typing import Any
from uuid import UUID

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from models.postgres.hints import build_topic, hint
from models.tables.build import Build
from models.tables.event import Event

_MOST_READ = 1000
OWN_ACTOR = "slipway"  # who acts when it is a build's own run


class EventRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add_build_event(
        self, event_type: str, build_id: UUID, *, generation: int | None, actor: str, payload: dict[str, Any]
    ) -> None:
        """Add an event such as `build.started`; it commits with the change that it tells of, and hints at it then."""
        values = {
            "type": event_type,
            "version": 1,
            "subject": f"build/{build_id}",
            "generation": generation,
            "actor": actor,
            "payload": payload,
        }
        await self._session.execute(insert(Event.__table__), values)  # type: ignore[attr-defined]
        hint(self._session, build_topic(build_id))

    async def add_of(self, row: Build, event_type: str, payload: dict[str, Any], actor: str = OWN_ACTOR) -> None:
        """Add an event of the build that this row is."""
        await self.add_build_event(event_type, row.id, generation=row.generation, actor=actor, payload=payload)

    async def of_build(self, build_id: UUID, limit: int = 100) -> list[Event]:
        """Return the newest events of a build, oldest first."""
        newest = (
            select(Event)
            .where(col(Event.subject) == f"build/{build_id}")
            .order_by(col(Event.id).desc())
            .limit(min(limit, _MOST_READ))
        )
        found = list((await self._session.execute(newest)).scalars())
        return found[::-1]
