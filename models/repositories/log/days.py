"""The partitions of stored logs: one a day, made ahead, and dropped when its time is over."""

from datetime import date, timedelta

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from models.tables.execution import BuildExecution

_PARTITION_LOCK = 7_120_733_014
_DAYS_AHEAD = 3


class LogDays:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def prepare(self) -> None:
        """Make the partitions of today and the next days. A repeat is harmless, also at the same time."""
        await self._session.execute(select(func.pg_advisory_xact_lock(_PARTITION_LOCK)))
        today: date = (await self._session.execute(text("SELECT clock_timestamp()::date"))).scalar_one()
        present = await self._days()
        for ahead in range(-1, _DAYS_AHEAD + 1):
            day = today + timedelta(days=ahead)
            if day not in present:
                await self._session.execute(text(_partition_of(day)))

    async def drop_before(self, retention: timedelta) -> list[date]:
        """Drop the partitions older than `retention` whose logs are all kept as objects; return their days."""
        await self._session.execute(select(func.pg_advisory_xact_lock(_PARTITION_LOCK)))
        today: date = (await self._session.execute(text("SELECT clock_timestamp()::date"))).scalar_one()
        old = sorted(day for day in await self._days() if day < today - retention)
        unkept = select(col(BuildExecution.log_day)).where(
            col(BuildExecution.log_day).in_(old), col(BuildExecution.log_key).is_(None)
        )
        kept_back = set((await self._session.execute(unkept.distinct())).scalars())
        dropped = [day for day in old if day not in kept_back]
        for day in dropped:
            await self._session.execute(text(f"DROP TABLE {_partition_name(day)}"))
        return dropped

    async def _days(self) -> set[date]:
        children = text(
            "SELECT right(child.relname, 8) FROM pg_inherits JOIN pg_class child ON child.oid = inhrelid"
            " WHERE inhparent = 'log_chunks'::regclass"
        )
        return {date.fromisoformat(day) for day in (await self._session.execute(children)).scalars()}


def _partition_name(day: date) -> str:
    return f"log_chunks_{day:%Y%m%d}"


def _partition_of(day: date) -> str:
    following = day + timedelta(days=1)
    return (
        f"CREATE TABLE {_partition_name(day)} PARTITION OF log_chunks"
        f" FOR VALUES FROM ('{day.isoformat()}') TO ('{following.isoformat()}')"
    )
