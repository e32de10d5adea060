"""The tables of projects, products, resumes and jobs: their columns stand here, their endpoints come with them."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Column, Identity, Index, Integer, LargeBinary, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from models.rules.identifiers import new_id
from models.tables.columns import created_at_column, json_column, text_column, time_column


class Project(SQLModel, table=True):
    __tablename__ = "projects"

    id: UUID = Field(default_factory=new_id, primary_key=True)
    name: str = text_column(unique=True)
    slug: str = text_column(unique=True)
    description: str | None = text_column(default=None)
    parent_project_id: UUID | None = Field(default=None, foreign_key="projects.id")
    stall_minutes: int | None = Field(default=None)
    trigger_webhook: str | None = text_column(default=None)
    abort_webhook: str | None = text_column(default=None)
    webhook_secret: bytes | None = Field(default=None, sa_type=LargeBinary)  # encrypted
    is_active: bool = Field(default=True)
    created_at: datetime = created_at_column()
    updated_at: datetime = created_at_column()
    deactivated_at: datetime | None = time_column(default=None)


class Product(SQLModel, table=True):
    __tablename__ = "products"
    __table_args__ = (
        CheckConstraint(
            "status IN ('stopped', 'starting', 'running', 'updating', 'stopping', 'failed')", name="products_status"
        ),
        CheckConstraint("port BETWEEN 1024 AND 65535", name="products_port"),
        CheckConstraint("replicas BETWEEN 1 AND 10", name="products_replicas"),
        CheckConstraint("strategy IN ('rolling', 'blue_green')", name="products_strategy"),
        Index("products_of_image", "image_id"),
    )

    id: int | None = Field(default=None, sa_column=Column(Integer, Identity(), primary_key=True))
    name: str = text_column()
    slug: str = text_column(unique=True)
    port: int = Field(unique=True)
    container_port: int = Field(default=8000)
    replicas: int = Field(default=1)
    status: str = text_column(default="stopped")
    env_vars: bytes | None = Field(default=None, sa_type=LargeBinary)  # encrypted as a whole
    secret_env: list[str] = json_column(default_factory=list, nullable=False)
    image_id: int | None = Field(default=None, foreign_key="docker_images.id")
    image_name: str | None = text_column(default=None)
    service_id: str | None = text_column(default=None)
    deployed_at: datetime | None = time_column(default=None)
    created_at: datetime = created_at_column()
    updated_at: datetime = created_at_column()
    strategy: str = text_column(default="rolling")
    health_path: str | None = text_column(default=None)
    limits: dict[str, Any] | None = json_column(default=None)
    track: str | None = text_column(default=None)
    auto_deploy: bool = Field(default=False)
    hold: bool = Field(default=False)
    deploy_window: str | None = text_column(default=None)


class ResumableState(SQLModel, table=True):
    __tablename__ = "resumable_states"
    __table_args__ = (
        UniqueConstraint("project_id", "state_code", name="resumable_states_code"),
        CheckConstraint(
            "resume_strategy IN ('from_artifact', 'rerun_state', 'skip_to_next')", name="resumable_states_strategy"
        ),
    )

    id: UUID = Field(default_factory=new_id, primary_key=True)
    project_id: UUID = Field(foreign_key="projects.id", ondelete="CASCADE")
    state_code: int
    is_resumable: bool = Field(default=True)
    resume_strategy: str = text_column(default="from_artifact")
    required_artifacts: list[str] = json_column(default_factory=list, nullable=False)
    required_variables: list[str] = json_column(default_factory=list, nullable=False)
    resume_command: str | None = text_column(default=None)
    resume_timeout_seconds: int = Field(default=3600)
    description: str | None = text_column(default=None)
    notes: str | None = text_column(default=None)
    created_at: datetime = created_at_column()
    updated_at: datetime = created_at_column()


class ResumeRequest(SQLModel, table=True):
    __tablename__ = "resume_requests"
    __table_args__ = (
        CheckConstraint(
            "orchestration_status IN ('pending', 'triggered', 'running', 'completed', 'failed')",
            name="resume_requests_status",
        ),
        CheckConstraint("request_source IN ('api', 'webhook', 'cli', 'auto')", name="resume_requests_source"),
        Index(
            "resume_requests_one_open",
            "build_id",
            unique=True,
            postgresql_where=text("orchestration_status IN ('pending', 'triggered', 'running')"),
        ),
        Index("resume_requests_newest", "build_id", "created_at"),
    )

    id: UUID = Field(default_factory=new_id, primary_key=True)
    build_id: UUID = Field(foreign_key="builds.id", ondelete="CASCADE")
    resume_from_state: int
    resume_to_state: int | None = Field(default=None)
    resume_reason: str | None = text_column(default=None)
    requested_by: str = text_column()
    request_source: str = text_column(default="api")
    orchestration_config: dict[str, Any] | None = json_column(default=None)
    orchestration_status: str = text_column(default="pending")
    orchestration_job_id: str | None = text_column(default=None)
    orchestration_job_url: str | None = text_column(default=None)
    meta: dict[str, Any] | None = json_column(default=None, sa_column_kwargs={"name": "metadata"})
    triggered_at: datetime | None = time_column(default=None)
    completed_at: datetime | None = time_column(default=None)
    error_message: str | None = text_column(default=None)
    created_at: datetime = created_at_column()
    updated_at: datetime = created_at_column()


class BuildJob(SQLModel, table=True):
    __tablename__ = "build_jobs"
    __table_args__ = (
        CheckConstraint("status IN ('pending', 'running', 'success', 'failed', 'aborted')", name="build_jobs_status"),
        Index("build_jobs_newest", "build_id", "created_at"),
    )

    id: UUID = Field(default_factory=new_id, primary_key=True)
    build_id: UUID = Field(foreign_key="builds.id", ondelete="CASCADE")
    platform: str = text_column()
    pipeline_name: str | None = text_column(default=None)
    job_name: str = text_column()
    job_url: str | None = text_column(default=None)
    job_id: str | None = text_column(default=None)
    build_number: str | None = text_column(default=None)
    triggered_by: str | None = text_column(default=None)
    trigger_source: str = text_column(default="manual")
    status: str = text_column(default="pending")
    is_resume_job: bool = Field(default=False)
    resumed_from_state: int | None = Field(default=None)
    parent_job_id: UUID | None = Field(default=None, foreign_key="build_jobs.id")
    started_at: datetime | None = time_column(default=None)
    completed_at: datetime | None = time_column(default=None)
    created_at: datetime = created_at_column()
    updated_at: datetime = created_at_column()
