"""The outbox of dirty keys. A key says nothing about what to do; the row that it names does."""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import ColumnElement, delete, func, or_, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from models.postgres.hints import DIRTY, hint
from models.rules.run_contract import Kind, WorkKey
from models.tables.outbox import DirtyKey

_LEASE = timedelta(seconds=10)


@dataclass(frozen=True)
class ClaimedKey:
    """A key that the caller delivers; `version` tells whether it became dirty again meanwhile."""

    key: WorkKey
    version: int


class OutboxRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def mark_dirty(self, key: WorkKey) -> None:
        """Ask for delivery, in the transaction of the change to deliver."""
        marked = insert(DirtyKey).values(kind=key.kind, id=key.id, version=1)
        marked = marked.on_conflict_do_update(
            index_elements=["kind", "id"], set_={"version": DirtyKey.version + 1, "claimed_until": None}
        )
        await self._session.execute(marked)
        hint(self._session, DIRTY)

    async def claim(self, limit: int, *, only: WorkKey | None = None) -> list[ClaimedKey]:
        """Take keys that nobody else has for the next seconds, in their order; `only` looks at one."""
        free: ColumnElement[bool] = or_(
            col(DirtyKey.claimed_until).is_(None), col(DirtyKey.claimed_until) < func.clock_timestamp()
        )
        keys = select(col(DirtyKey.kind), col(DirtyKey.id)).where(free)
        if only is not None:
            keys = keys.where(col(DirtyKey.kind) == only.kind, col(DirtyKey.id) == only.id)
        # UUIDv7 are in order of time, so that the oldest builds come first
        keys = keys.order_by(col(DirtyKey.kind), col(DirtyKey.id)).limit(limit).with_for_update(skip_locked=True)
        claimed = (
            update(DirtyKey)
            .where(tuple_(col(DirtyKey.kind), col(DirtyKey.id)).in_(keys))
            .values(claimed_until=func.clock_timestamp() + _LEASE)
            .returning(col(DirtyKey.kind), col(DirtyKey.id), col(DirtyKey.version))
        )
        found = await self._session.execute(claimed)
        return [ClaimedKey(WorkKey(Kind(kind), id_), version) for kind, id_, version in found]

    async def settle(self, claimed: ClaimedKey) -> None:
        """Forget a delivered key, unless it became dirty again meanwhile; then anybody may take it at once."""
        await self._session.execute(delete(DirtyKey).where(*_is_still(claimed)))

    async def give_back(self, claimed: ClaimedKey, after: timedelta) -> None:
        """Let anybody try again after a while: the delivery failed."""
        freed = update(DirtyKey).where(*_is_still(claimed)).values(claimed_until=func.clock_timestamp() + after)
        await self._session.execute(freed)


def _is_still(claimed: ClaimedKey) -> tuple[ColumnElement[bool], ...]:
    key = claimed.key
    return col(DirtyKey.kind) == key.kind, col(DirtyKey.id) == key.id, col(DirtyKey.version) == claimed.version
