"""The tables of what happened, and of what was answered to whom."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Column, Identity, Index, LargeBinary
from sqlmodel import Field, SQLModel

from models.tables.columns import created_at_column, json_column, text_column


class Event(SQLModel, table=True):
    """Only added to. One leader gives `position` in batches, so that a reader never skips a late commit."""

    __tablename__ = "events"
    __table_args__ = (Index("events_of_subject", "subject", "id"),)

    id: int | None = Field(default=None, sa_column=Column(BigInteger, Identity(always=True), primary_key=True))
    position: int | None = Field(default=None, sa_type=BigInteger, unique=True)
    type: str = text_column()
    version: int = Field(default=1)
    subject: str = text_column()  # "build/<uuid>", "image/<id>"
    generation: int | None = Field(default=None)
    actor: str = text_column()
    payload: dict[str, Any] = json_column(nullable=False, default_factory=dict)
    created_at: datetime = created_at_column()


class IdempotencyKey(SQLModel, table=True):
    """The first answer to a caller's key, written in the transaction of the deed itself."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (Index("idempotency_keys_by_age", "created_at"),)

    caller: str = text_column(primary_key=True)
    path: str = text_column(primary_key=True)
    key: str = text_column(primary_key=True)
    body_sha256: str = text_column()
    status: int
    media_type: str = text_column()
    body: bytes = Field(sa_type=LargeBinary)
    location: str | None = text_column(default=None)
    work_kind: str | None = text_column(default=None)  # what was wanted by it, as a key of the outbox
    work_id: str | None = text_column(default=None)
    created_at: datetime = created_at_column()


class Installation(SQLModel, table=True):
    """One row: who we are at engines that other installations use as well."""

    __tablename__ = "installation"

    id: int = Field(default=1, primary_key=True)
    instance: UUID
    created_at: datetime = created_at_column()
