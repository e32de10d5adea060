"""The tables of builds that wait: what for, as those who wait tell it, and whose source is on its way."""

from datetime import datetime
from uuid import UUID

from sqlmodel import Field, SQLModel

from models.tables.columns import text_column, time_column


class BuildWait(SQLModel, table=True):
    """What a build's stage waits for. Narrow and apart from `builds`, whose locks a waiting stage must not meet.

    It belongs to the report (epoch, seq) that entered the state: with the next report, run or end it is void by itself.
    """

    __tablename__ = "build_waits"
    __table_args__ = {"postgresql_with": {"fillfactor": 70}}

    build_id: UUID = Field(primary_key=True, foreign_key="builds.id", ondelete="CASCADE")
    epoch: int
    seq: int
    waits_for: str | None = text_column(default=None)  # a sentence; null: it waited, and works again
    next_try_at: datetime | None = time_column(default=None)
    since: datetime | None = time_column(default=None)  # when it met an outage first
    told_at: datetime = time_column(nullable=False)
    tries: int = Field(default=0)  # that met what cannot be reached; they count as no faults


class SourceFetch(SQLModel, table=True):
    """A download that is under way, under a lease: it counts as ahead of the builders while bytes come."""

    __tablename__ = "source_fetches"
    __table_args__ = {"postgresql_with": {"fillfactor": 70}}

    build_id: UUID = Field(primary_key=True, foreign_key="builds.id", ondelete="CASCADE")
    lease_until: datetime = time_column(nullable=False)
