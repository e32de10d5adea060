"""The bytes of stored logs. Rows are only added."""

from datetime import date

from sqlalchemy import func, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from models.rules.errors.database import DatabaseBusy
from models.rules.log_chunk import LARGEST_CHUNK, LogBytes, squeeze, unsqueeze
from models.tables.execution import LogChunk


class LogChunks:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

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
