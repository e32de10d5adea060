"""The tables of the fence: which hosts build, what each runs, and what it wrote."""

from datetime import date, datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy import BigInteger, CheckConstraint, Column, Date, Identity, Index, LargeBinary, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from models.tables.columns import created_at_column, text_column, texts_column, time_column

LEASE = timedelta(seconds=15)  # of an execution; its builder prolongs it
SEEN_WITHIN = timedelta(seconds=15)  # a builder that was not seen for longer is not live


class Builder(SQLModel, table=True):
    """A host that builds. Its row is the lock under which executions are created."""

    __tablename__ = "builders"
    __table_args__ = (CheckConstraint("slots > 0", name="builders_slots"),)

    name: str = text_column(primary_key=True)
    incarnation: UUID = Field(default_factory=uuid4)  # which start of that host's worker; only its own beats count
    slots: int
    engine_version: str | None = text_column(default=None)
    engine_error: str | None = text_column(default=None)  # why the engine does not answer; null while it does
    is_limited: bool = Field(default=False)  # whether the engine honours memory and CPU limits of steps
    builds_by: str | None = text_column(default=None)  # how its engine is made to build
    clips_at: str | None = text_column(default=None)  # the limit at which its engine was last seen to clip a log
    started_at: datetime = created_at_column()
    seen_at: datetime = created_at_column()


class BuildExecution(SQLModel, table=True):
    """One attempt to build, on one host, under a lease by the database's clock."""

    __tablename__ = "build_executions"
    __table_args__ = (
        CheckConstraint("outcome IN ('succeeded', 'failed', 'cancelled', 'lost')", name="build_executions_outcome"),
        CheckConstraint("(outcome IS NULL) = (ended_at IS NULL)", name="build_executions_ended"),
        UniqueConstraint("build_id", "attempt", name="build_executions_attempt"),
        Index("build_executions_live", "builder", postgresql_where=text("outcome IS NULL")),
        Index("build_executions_unkept", "builder", postgresql_where=text("outcome IS NOT NULL AND log_key IS NULL")),
    )

    token: int | None = Field(default=None, sa_column=Column(BigInteger, Identity(always=True), primary_key=True))
    build_id: UUID = Field(foreign_key="builds.id", ondelete="CASCADE")
    attempt: int
    builder: str = text_column(foreign_key="builders.name")
    lease_until: datetime = time_column(nullable=False)
    started_at: datetime = created_at_column()
    ended_at: datetime | None = time_column(default=None)
    outcome: str | None = text_column(default=None)
    docker_image_id: str | None = text_column(default=None)
    error: str | None = text_column(default=None)
    error_code: str | None = text_column(default=None)
    failing_step: str | None = text_column(default=None)
    exit_code: int | None = Field(default=None)
    notices: list[str] = texts_column()
    log_day: date = Field(sa_type=Date)  # the partition that holds this log
    log_bytes: int | None = Field(default=None, sa_type=BigInteger)  # known at the end
    log_loss: str | None = text_column(default=None)  # what the engine clipped or lost, as a sentence
    log_tail: str | None = text_column(default=None)  # for lists, which never read chunks
    log_key: str | None = text_column(default=None)  # the whole log as an object
    log_sha256: str | None = text_column(default=None)


class LogChunk(SQLModel, table=True):
    """Bytes of a log, zstd. Partitioned by the day the execution started; partitions are dropped whole."""

    __tablename__ = "log_chunks"
    __table_args__ = {"postgresql_partition_by": "RANGE (day)"}

    execution: int = Field(primary_key=True, sa_type=BigInteger)
    from_byte: int = Field(primary_key=True, sa_type=BigInteger)
    day: date = Field(primary_key=True, sa_type=Date)
    size_bytes: int  # of the log, not of `data`
    data: bytes = Field(sa_type=LargeBinary)
