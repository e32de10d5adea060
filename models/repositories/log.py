"""All SQL of stored logs. Rows are only added; a day's partition is dropped when its time is over."""

from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID

from sqlalchemy import and_, func, select, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from models.rules.build_lifecycle import OPEN
from models.rules.errors.database import DatabaseBusy
from models.rules.log_chunk import LARGEST_CHUNK, LogBytes, squeeze, unsqueeze
from models.tables.build import Build
from models.tables.execution import BuildExecution, LogChunk
from models.tables.image import DockerImage

_PARTITION_LOCK = 7_120_733_014
_DAYS_AHEAD = 3


@dataclass(frozen=True)
class StoredLog:
    """Where an attempt's log lies. `token` is None before the first attempt: the log is empty."""

    build_id: UUID
    generation: int  # which build of its name:tag
    status: str
    error: str | None  # why the build failed
    attempt: int
    newest_attempt: int
    token: int | None
    day: date | None
    is_complete: bool  # nothing more will come for this attempt
    is_build_open: bool  # another attempt may come
    size_bytes: int | None  # of the whole log, once it is complete
    key: str | None  # of the whole log as an object
    loss: str | None


class LogRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def prepare_days(self) -> None:
        """Make the partitions of today and the next days. A repeat is harmless, also at the same time."""
        await self._session.execute(select(func.pg_advisory_xact_lock(_PARTITION_LOCK)))
        today: date = (await self._session.execute(text("SELECT clock_timestamp()::date"))).scalar_one()
        present = await self._days()
        for ahead in range(-1, _DAYS_AHEAD + 1):
            day = today + timedelta(days=ahead)
            if day not in present:
                await self._session.execute(text(_partition_of(day)))

    async def drop_days_before(self, retention: timedelta) -> list[date]:
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

    async def add(self, token: int, day: date, log_bytes: LogBytes) -> None:
        """Store bytes that follow what is stored.

        Raises DatabaseBusy when bytes lie at that offset already: a commit that was given up was made after all.
        """
        for start in range(0, len(log_bytes.data), LARGEST_CHUNK):
            piece = log_bytes.data[start : start + LARGEST_CHUNK]
            chunk = postgresql.insert(LogChunk).values(
                execution=token,
                day=day,
                from_byte=log_bytes.offset + start,
                size_bytes=len(piece),
                data=squeeze(piece),
            )
            added = await self._session.execute(chunk.on_conflict_do_nothing().returning(col(LogChunk.from_byte)))
            if added.first() is None:
                raise DatabaseBusy("These bytes of the log are stored already; look how far it is, and go on there.")

    async def size(self, token: int, day: date) -> int:
        """Return how many bytes are stored of an attempt's log."""
        last = (
            select(col(LogChunk.from_byte) + col(LogChunk.size_bytes))
            .where(col(LogChunk.execution) == token, col(LogChunk.day) == day)
            .order_by(col(LogChunk.from_byte).desc())
            .limit(1)
        )
        return (await self._session.scalar(last)) or 0

    async def read(self, token: int, day: date, offset: int, most_bytes: int) -> LogBytes:
        """Return stored bytes from `offset` on, about `most_bytes` of them; empty at the end."""
        first = (
            select(func.max(col(LogChunk.from_byte)))
            .where(col(LogChunk.execution) == token, col(LogChunk.day) == day, col(LogChunk.from_byte) <= offset)
            .scalar_subquery()
        )
        chunks = (
            select(col(LogChunk.from_byte), col(LogChunk.data))
            .where(
                col(LogChunk.execution) == token,
                col(LogChunk.day) == day,
                col(LogChunk.from_byte) >= func.coalesce(first, 0),
                col(LogChunk.from_byte) < offset + most_bytes,
            )
            .order_by(col(LogChunk.from_byte))
        )
        rows = (await self._session.execute(chunks)).all()
        if not rows:
            return LogBytes(offset, b"")
        return LogBytes(rows[0][0], b"".join(unsqueeze(data) for _from_byte, data in rows)).after(offset)

    async def of_image(self, image_id: int, attempt: int | None = None) -> StoredLog | None:
        """Say where the log of an image's newest build lies: of the newest attempt, or the given one.

        None when there is no such image, or no such attempt.
        """
        wanted = col(Build.attempt) if attempt is None else attempt
        shown = select(col(DockerImage.build_id)).where(col(DockerImage.id) == image_id).scalar_subquery()
        return await self._stored(col(Build.id) == shown, wanted, attempt)

    async def of_build(self, build_id: UUID, attempt: int | None = None) -> StoredLog | None:
        wanted = col(Build.attempt) if attempt is None else attempt
        return await self._stored(col(Build.id) == build_id, wanted, attempt)

    async def _stored(self, whose: object, wanted: object, attempt: int | None) -> StoredLog | None:
        found = (
            select(Build, BuildExecution)
            .outerjoin(
                BuildExecution,
                and_(col(BuildExecution.build_id) == col(Build.id), col(BuildExecution.attempt) == wanted),
            )
            .where(whose)  # type: ignore[arg-type]
        )
        row = (await self._session.execute(found)).one_or_none()
        if row is None or (attempt is not None and row[1] is None):
            return None
        return stored_log(row[0], row[1])

    async def _days(self) -> set[date]:
        children = text(
            "SELECT right(child.relname, 8) FROM pg_inherits JOIN pg_class child ON child.oid = inhrelid"
            " WHERE inhparent = 'log_chunks'::regclass"
        )
        return {date.fromisoformat(day) for day in (await self._session.execute(children)).scalars()}


def stored_log(build: Build, execution: BuildExecution | None) -> StoredLog:
    """Say where an attempt's log lies, for who has read its rows already."""
    is_open = build.status in OPEN
    return StoredLog(
        build_id=build.id,
        generation=build.generation or 0,
        status=build.status,
        error=build.error,
        attempt=execution.attempt if execution is not None else 0,
        newest_attempt=build.attempt,
        token=execution.token if execution is not None else None,
        day=execution.log_day if execution is not None else None,
        is_complete=execution.outcome is not None if execution is not None else not is_open,
        is_build_open=is_open,
        size_bytes=execution.log_bytes if execution is not None else None,
        key=execution.log_key if execution is not None else None,
        loss=execution.log_loss if execution is not None else None,
    )


def _partition_name(day: date) -> str:
    return f"log_chunks_{day:%Y%m%d}"


def _partition_of(day: date) -> str:
    following = day + timedelta(days=1)
    return (
        f"CREATE TABLE {_partition_name(day)} PARTITION OF log_chunks"
        f" FOR VALUES FROM ('{day.isoformat()}') TO ('{following.isoformat()}')"
    )
