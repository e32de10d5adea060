"""What is known of a log: how long it is, how it ends, what was lost of it, and where it lies. Its one owner."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID

from sqlalchemy import and_, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from models.repositories.event import EventRepository
from models.rules.build_lifecycle import OPEN
from models.tables.build import Build
from models.tables.execution import Builder, BuildExecution
from models.tables.image import DockerImage

_GONE_AFTER = timedelta(days=1)
_TAIL_CHARACTERS = 4000


@dataclass(frozen=True)
class WrittenLog:
    """A log whose last byte is stored; `loss` says in a sentence what the engine or the host lost of it."""

    size_bytes: int
    tail: str
    loss: str | None = None


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


class LogFacts:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session
        self._events = EventRepository(session)

    async def finish(self, token: int, log: WrittenLog) -> None:
        """Say that nothing more comes of an attempt's log. The first word stays: a repeat changes nothing."""
        told = (
            update(BuildExecution)
            .where(col(BuildExecution.token) == token, col(BuildExecution.log_bytes).is_(None))
            .values(log_bytes=log.size_bytes, log_tail=log.tail[-_TAIL_CHARACTERS:], log_loss=log.loss)
            .returning(col(BuildExecution.build_id), col(BuildExecution.attempt), col(BuildExecution.builder))
            .execution_options(synchronize_session=False)
        )
        row = (await self._session.execute(told)).one_or_none()
        if row is not None and log.loss is not None:
            await self._events.add_build_event(
                "build.log_incomplete",
                row.build_id,
                generation=None,
                actor=f"builder/{row.builder}",
                payload={"attempt": row.attempt, "why": log.loss},
            )

    async def unkept(self, builder: str, *, but: Collection[int] = ()) -> list[BuildExecution]:
        """Return ended executions whose log is no object yet, oldest first: this builder's, and of builders gone.

        Those with the tokens `but` are left out; a hundred at a time.
        """
        gone = select(col(Builder.name)).where(col(Builder.seen_at) < func.now() - _GONE_AFTER).scalar_subquery()
        ended = select(BuildExecution).where(
            or_(col(BuildExecution.builder) == builder, col(BuildExecution.builder).in_(gone)),
            col(BuildExecution.outcome).is_not(None),
            col(BuildExecution.log_key).is_(None),
            col(BuildExecution.token).not_in(but),
        )
        return list((await self._session.execute(ended.order_by(col(BuildExecution.token)).limit(100))).scalars())

    async def keep(self, token: int, *, key: str, sha256: str, size_bytes: int) -> None:
        """Say where the whole log lies as an object."""
        await self._session.execute(
            update(BuildExecution)
            .where(col(BuildExecution.token) == token)
            .values(log_key=key, log_sha256=sha256, log_bytes=size_bytes)
            .execution_options(synchronize_session=False)
        )

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
