"""The tables of builds: what is wanted of each, and what was reported of it."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from models.rules.build_lifecycle import BuildStatus, StateCode
from models.rules.identifiers import new_id
from models.tables.columns import created_at_column, json_column, text_column, texts_column, time_column

_IS_OPEN = "status IN ('pending', 'running')"
# waiting for its turn: not yet at the state that needs a slot; what the queue limit counts
IS_QUEUED = text(f"{_IS_OPEN} AND current_state < {int(StateCode.BUILD)} AND kind = 'image'")


class Build(SQLModel, table=True):
    """One generation of an image, or one pipeline's build. What the row wants decides; Temporal only carries it out."""

    __tablename__ = "builds"
    __table_args__ = (
        CheckConstraint("status IN ('pending', 'running', 'succeeded', 'failed', 'cancelled')", name="builds_status"),
        CheckConstraint("kind IN ('image', 'pipeline')", name="builds_kind"),
        CheckConstraint("current_state BETWEEN 0 AND 100 AND current_state % 5 = 0", name="builds_state"),
        CheckConstraint("priority BETWEEN 1 AND 5", name="builds_priority"),
        CheckConstraint("(completed_at IS NOT NULL) = (status NOT IN ('pending', 'running'))", name="builds_completed"),
        CheckConstraint(
            "kind <> 'image' OR (image_name IS NOT NULL AND image_tag IS NOT NULL AND generation IS NOT NULL)",
            name="builds_image",
        ),
        ForeignKeyConstraint(
            ["image_id"], ["docker_images.id"], name="builds_image_id_fkey", ondelete="SET NULL", use_alter=True
        ),
        UniqueConstraint("image_name", "image_tag", "generation", name="builds_generation"),
        Index(
            "builds_one_open_per_image",
            "image_name",
            "image_tag",
            unique=True,
            postgresql_where=text(f"{_IS_OPEN} AND kind = 'image'"),
        ),
        Index("builds_newest", "created_at", "id"),
        Index("builds_open", "id", postgresql_where=text(_IS_OPEN)),
        Index("builds_queued", "id", postgresql_where=IS_QUEUED),
        Index("builds_of_image", "image_id"),
    )

    id: UUID = Field(default_factory=new_id, primary_key=True)
    name: str = text_column(unique=True)
    kind: str = text_column(default="image")
    third_party_id: str | None = text_column(default=None)
    parser_id: str | None = text_column(default=None)
    project_id: UUID | None = Field(default=None, foreign_key="projects.id")
    platform: str | None = text_column(default=None)
    os_version: str | None = text_column(default=None)
    image_type: str | None = text_column(default=None)
    created_at: datetime = created_at_column()
    created_by: str = text_column(default="anonymous")
    correlation_id: str = text_column(default="")

    # what is wanted
    priority: int = Field(default=3)
    image_name: str | None = text_column(default=None)  # in normal form
    image_tag: str | None = text_column(default=None)
    generation: int | None = Field(default=None)
    repo: str | None = text_column(default=None)
    wanted_commit: str | None = text_column(default=None)  # as asked for: 7 to 40 hex
    dockerfile_path: str | None = text_column(default=None)
    context: str | None = text_column(default=None)  # None: the Dockerfile's own folder
    target: str | None = text_column(default=None)
    build_args: dict[str, str] = json_column(default_factory=dict, nullable=False)
    secrets: list[str] = texts_column()  # of what its steps may mount; the values are the builder's
    cancel_requested_at: datetime | None = time_column(default=None)
    cancel_requested_by: str | None = text_column(default=None)
    resume_from: int | None = Field(default=None)
    paused: bool = Field(default=False)
    closed_at: datetime | None = time_column(default=None)  # a failed build that can no longer be resumed
    closed_reason: str | None = text_column(default=None)

    # what was reported
    status: str = text_column(default=BuildStatus.PENDING)
    current_state: int = Field(default=0)
    attempt: int = Field(default=0)  # ordinal of the newest execution
    started_at: datetime | None = time_column(default=None)
    completed_at: datetime | None = time_column(default=None)
    error: str | None = text_column(default=None)
    commit_sha: str | None = text_column(default=None)
    image_uri: str | None = text_column(default=None)
    docker_image_id: str | None = text_column(default=None)
    host_queue: str | None = text_column(default=None)
    cancel_receipt: dict[str, Any] | None = json_column(default=None)
    image_id: int | None = Field(default=None)
    notices: list[str] = texts_column()

    # whose reports count
    run_id: str | None = text_column(default=None)
    epoch: int = Field(default=0)
    seq: int = Field(default=0)


class BuildRun(SQLModel, table=True):
    """A run that worked on a build. Each gets the next epoch at first sight, which tells older ones' reports apart."""

    __tablename__ = "build_runs"

    build_id: UUID = Field(primary_key=True, foreign_key="builds.id", ondelete="CASCADE")
    run_id: str = text_column(primary_key=True)
    epoch: int
    first_seen_at: datetime = created_at_column()


class BuildState(SQLModel, table=True):
    """One attempt at one state."""

    __tablename__ = "build_states"
    __table_args__ = (
        CheckConstraint("status IN ('in_progress', 'completed', 'failed')", name="build_states_status"),
        UniqueConstraint("build_id", "state_code", "attempt", name="build_states_attempt"),
    )

    id: UUID = Field(default_factory=new_id, primary_key=True)
    build_id: UUID = Field(foreign_key="builds.id", ondelete="CASCADE")
    state_code: int
    attempt: int = Field(default=1)
    status: str = text_column(default="in_progress")
    message: str | None = text_column(default=None)
    meta: dict[str, Any] | None = json_column(default=None, sa_column_kwargs={"name": "metadata"})
    entered_at: datetime = created_at_column()
    completed_at: datetime | None = time_column(default=None)


class BuildFailure(SQLModel, table=True):
    __tablename__ = "build_failures"
    __table_args__ = (Index("build_failures_newest", "build_id", "created_at"),)

    id: UUID = Field(default_factory=new_id, primary_key=True)
    build_id: UUID = Field(foreign_key="builds.id", ondelete="CASCADE")
    state_code: int
    error_message: str = text_column()
    error_code: str | None = text_column(default=None)
    component: str | None = text_column(default=None)
    details: dict[str, Any] | None = json_column(default=None)
    is_retryable: bool | None = Field(default=None)
    failing_step: str | None = text_column(default=None)
    exit_code: int | None = Field(default=None)
    created_at: datetime = created_at_column()
    resolved_at: datetime | None = time_column(default=None)


class BuildArtifact(SQLModel, table=True):
    __tablename__ = "build_artifacts"
    __table_args__ = (
        Index(
            "build_artifacts_one_live",
            "build_id",
            "artifact_name",
            unique=True,
            postgresql_where=text("deleted_at IS NULL"),
        ),
    )

    id: UUID = Field(default_factory=new_id, primary_key=True)
    build_id: UUID = Field(foreign_key="builds.id", ondelete="CASCADE")
    state_code: int
    artifact_name: str = text_column()
    artifact_type: str = text_column()
    artifact_path: str = text_column()
    storage_backend: str = text_column()
    storage_region: str | None = text_column(default=None)
    storage_bucket: str | None = text_column(default=None)
    storage_key: str | None = text_column(default=None)
    size_bytes: int | None = Field(default=None, sa_type=BigInteger)
    checksum: str | None = text_column(default=None)
    checksum_algorithm: str = text_column(default="sha256")
    is_resumable: bool = Field(default=True)
    is_final: bool = Field(default=False)
    expires_at: datetime | None = time_column(default=None)
    meta: dict[str, Any] | None = json_column(default=None, sa_column_kwargs={"name": "metadata"})
    created_at: datetime = created_at_column()
    updated_at: datetime = created_at_column()
    deleted_at: datetime | None = time_column(default=None)


class BuildVariable(SQLModel, table=True):
    __tablename__ = "build_variables"
    __table_args__ = (
        UniqueConstraint("build_id", "variable_key", name="build_variables_key"),
        CheckConstraint("variable_type IN ('string', 'json', 'encrypted')", name="build_variables_type"),
    )

    id: UUID = Field(default_factory=new_id, primary_key=True)
    build_id: UUID = Field(foreign_key="builds.id", ondelete="CASCADE")
    variable_key: str = text_column()
    variable_value: str = text_column()
    variable_type: str = text_column(default="string")
    set_at_state: int | None = Field(default=None)
    is_sensitive: bool = Field(default=False)
    is_required_for_resume: bool = Field(default=False)
    created_at: datetime = created_at_column()
    updated_at: datetime = created_at_column()


class BuildProgress(SQLModel, table=True):
    """How far the newest execution is. Narrow and apart from `builds`, since it is written every second."""

    __tablename__ = "build_progress"
    __table_args__ = {"postgresql_with": {"fillfactor": 70}}

    build_id: UUID = Field(primary_key=True, foreign_key="builds.id", ondelete="CASCADE")
    attempt: int
    step: int
    steps: int
    last_line: str = text_column()
    updated_at: datetime = created_at_column()
