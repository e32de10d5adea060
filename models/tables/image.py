"""The table of images: one row a name:tag, which shows its newest build."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    UniqueConstraint,
    text,
)
from sqlmodel import Field, SQLModel

from models.rules.build_lifecycle import ImageStatus
from models.tables.columns import created_at_column, json_column, text_column, time_column


class DockerImage(SQLModel, table=True):
    __tablename__ = "docker_images"
    __table_args__ = (
        CheckConstraint("build_status IN ('pending', 'building', 'success', 'failed')", name="docker_images_status"),
        CheckConstraint("(built_at IS NOT NULL) = (build_status = 'success')", name="docker_images_built"),
        UniqueConstraint("name_key", "tag", name="docker_images_name_tag"),
        # deferred: the image's row comes first, since its lock orders the builds of a name:tag
        ForeignKeyConstraint(
            ["build_id"], ["builds.id"], name="docker_images_build_id_fkey", deferrable=True, initially="DEFERRED"
        ),
        Index("docker_images_newest", "created_at", "id"),
        Index("docker_images_by_status", "build_status", "created_at", "id"),
        Index("docker_images_by_name", "name_key", "created_at", "id"),
        Index("docker_images_by_repo", text("lower(github_repo)"), "created_at", "id"),
        Index("docker_images_by_tag", "tag", "created_at", "id"),
    )

    id: int | None = Field(default=None, sa_column=Column(Integer, Identity(), primary_key=True))
    name: str = text_column()  # as first asked for
    name_key: str = text_column()  # in normal form: what is unique
    tag: str = text_column()
    github_repo: str = text_column()
    github_ref: str = text_column()
    commit_sha: str = text_column()
    build_status: str = text_column(default=ImageStatus.PENDING)
    build_error: str | None = text_column(default=None)
    built_at: datetime | None = time_column(default=None)
    created_at: datetime = created_at_column()
    build_id: UUID
    image_uri: str | None = text_column(default=None)
    docker_image_id: str | None = text_column(default=None)
    digest: str | None = text_column(default=None)
    size_bytes: int | None = Field(default=None, sa_type=BigInteger)
    revoked_at: datetime | None = time_column(default=None)
    revoke_reason: str | None = text_column(default=None)


class GithubTagObject(SQLModel, table=True):
    """Where an annotated tag leads, kept for the same reason as details of commits; `commit_sha` null: to none."""

    __tablename__ = "github_tag_objects"

    repo: str = text_column(primary_key=True)
    sha: str = text_column(primary_key=True)
    commit_sha: str | None = text_column(default=None)
    created_at: datetime = created_at_column()


class GithubCommit(SQLModel, table=True):
    """Details of a commit, kept because they never change and cost one request of GitHub's rate limit each."""

    __tablename__ = "github_commits"

    repo: str = text_column(primary_key=True)
    sha: str = text_column(primary_key=True)
    details: dict[str, str] = json_column(nullable=False)
    created_at: datetime = created_at_column()
