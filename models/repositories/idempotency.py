"""First answers by key. The key is written in the deed's own transaction, so a crash loses both or neither."""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import ColumnElement, delete, func, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from models.rules.errors.request import IdempotencyKeyReused
from models.rules.run_contract import Kind, WorkKey
from models.tables.event import IdempotencyKey

KEPT_FOR = timedelta(hours=24)
_UNANSWERED = 0


@dataclass(frozen=True)
class RequestKey:
    """Who asked what: `body_sha256` is over the body's bytes."""

    caller: str
    path: str
    key: str
    body_sha256: str


@dataclass(frozen=True)
class KeptAnswer:
    status: int
    media_type: str
    body: bytes
    location: str | None = None  # what the header of that name said
    work: WorkKey | None = None  # what was wanted by it; None for a refusal


class IdempotencyRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def lock_or_recall(self, request: RequestKey) -> KeptAnswer | None:
        """Return the kept answer; None when this request is the first, whose key is then held until the commit.

        A concurrent repeat waits here for the first one's commit: Postgres' unique index makes it wait.
        Raises IdempotencyKeyReused when the key came with another body before.
        """
        await self._session.execute(delete(IdempotencyKey).where(_is_of(request), _is_old()))
        first = insert(IdempotencyKey).values(
            caller=request.caller,
            path=request.path,
            key=request.key,
            body_sha256=request.body_sha256,
            status=_UNANSWERED,
            media_type="",
            body=b"",
        )
        inserted = await self._session.execute(first.on_conflict_do_nothing().returning(col(IdempotencyKey.key)))
        if inserted.first() is not None:
            return None
        kept = (await self._session.execute(select(IdempotencyKey).where(_is_of(request)))).scalar_one()
        if kept.body_sha256 != request.body_sha256:
            raise IdempotencyKeyReused(
                "This Idempotency-Key was used with another body; send a new key with a new request."
            )
        work = WorkKey(Kind(kept.work_kind), kept.work_id) if kept.work_kind and kept.work_id else None
        return KeptAnswer(kept.status, kept.media_type, kept.body, kept.location, work)

    async def keep(self, request: RequestKey, answer: KeptAnswer) -> None:
        """Keep the first answer, in the transaction that made it."""
        kept = update(IdempotencyKey).where(_is_of(request))
        await self._session.execute(
            kept.values(
                status=answer.status,
                media_type=answer.media_type,
                body=answer.body,
                location=answer.location,
                work_kind=answer.work.kind if answer.work is not None else None,
                work_id=answer.work.id if answer.work is not None else None,
            )
        )

    async def forget_old(self, limit: int) -> int:
        """Delete up to `limit` keys that are older than a day; return how many."""
        old = select(col(IdempotencyKey.caller), col(IdempotencyKey.path), col(IdempotencyKey.key))
        old = old.where(_is_old()).limit(limit)
        gone = delete(IdempotencyKey).where(
            tuple_(col(IdempotencyKey.caller), col(IdempotencyKey.path), col(IdempotencyKey.key)).in_(old)
        )
        return len((await self._session.execute(gone.returning(col(IdempotencyKey.key)))).all())


def _is_of(request: RequestKey) -> ColumnElement[bool]:
    return tuple_(col(IdempotencyKey.caller), col(IdempotencyKey.path), col(IdempotencyKey.key)) == tuple_(
        request.caller, request.path, request.key
    )


def _is_old() -> ColumnElement[bool]:
    return col(IdempotencyKey.created_at) < func.now() - KEPT_FOR
