"""The first schema: images, products, resumes, jobs, events and kept answers. Released, so never changed."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql


def create_images_and_products() -> None:
    op.create_table(
        "docker_images",
        sa.Column("id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_key", sa.Text(), nullable=False),
        sa.Column("tag", sa.Text(), nullable=False),
        sa.Column("github_repo", sa.Text(), nullable=False),
        sa.Column("github_ref", sa.Text(), nullable=False),
        sa.Column("commit_sha", sa.Text(), nullable=False),
        sa.Column("build_status", sa.Text(), nullable=False),
        sa.Column("build_error", sa.Text(), nullable=True),
        sa.Column("built_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("build_id", sa.Uuid(), nullable=False),
        sa.Column("image_uri", sa.Text(), nullable=True),
        sa.Column("docker_image_id", sa.Text(), nullable=True),
        sa.Column("digest", sa.Text(), nullable=True),
        sa.Column("size_bytes", sa.BigInteger(), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoke_reason", sa.Text(), nullable=True),
        sa.CheckConstraint("(built_at IS NOT NULL) = (build_status = 'success')", name="docker_images_built"),
        sa.CheckConstraint("build_status IN ('pending', 'building', 'success', 'failed')", name="docker_images_status"),
        sa.ForeignKeyConstraint(
            ["build_id"], ["builds.id"], name="docker_images_build_id_fkey", initially="DEFERRED", deferrable=True
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name_key", "tag", name="docker_images_name_tag"),
    )
    op.create_index("docker_images_by_status", "docker_images", ["build_status", "created_at", "id"], unique=False)
    op.create_index("docker_images_newest", "docker_images", ["created_at", "id"], unique=False)
    op.create_table(
        "github_commits",
        sa.Column("repo", sa.Text(), nullable=False),
        sa.Column("sha", sa.Text(), nullable=False),
        sa.Column("details", postgresql.JSONB(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("repo", "sha"),
    )
    op.create_table(
        "products",
        sa.Column("id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("port", sa.Integer(), nullable=False),
        sa.Column("container_port", sa.Integer(), nullable=False),
        sa.Column("replicas", sa.Integer(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("env_vars", sa.LargeBinary(), nullable=True),
        sa.Column("secret_env", postgresql.JSONB(), nullable=False),
        sa.Column("image_id", sa.Integer(), nullable=True),
        sa.Column("image_name", sa.Text(), nullable=True),
        sa.Column("service_id", sa.Text(), nullable=True),
        sa.Column("deployed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("strategy", sa.Text(), nullable=False),
        sa.Column("health_path", sa.Text(), nullable=True),
        sa.Column("limits", postgresql.JSONB(), nullable=True),
        sa.Column("track", sa.Text(), nullable=True),
        sa.Column("auto_deploy", sa.Boolean(), nullable=False),
        sa.Column("hold", sa.Boolean(), nullable=False),
        sa.Column("deploy_window", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "status IN ('stopped', 'starting', 'running', 'updating', 'stopping', 'failed')", name="products_status"
        ),
        sa.CheckConstraint("strategy IN ('rolling', 'blue_green')", name="products_strategy"),
        sa.CheckConstraint("port BETWEEN 1024 AND 65535", name="products_port"),
        sa.CheckConstraint("replicas BETWEEN 1 AND 10", name="products_replicas"),
        sa.ForeignKeyConstraint(
            ["image_id"],
            ["docker_images.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("port"),
        sa.UniqueConstraint("slug"),
    )
    op.create_index("products_of_image", "products", ["image_id"], unique=False)


def create_resumes_and_jobs() -> None:
    op.create_table(
        "resume_requests",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("build_id", sa.Uuid(), nullable=False),
        sa.Column("resume_from_state", sa.Integer(), nullable=False),
        sa.Column("resume_to_state", sa.Integer(), nullable=True),
        sa.Column("resume_reason", sa.Text(), nullable=True),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column("request_source", sa.Text(), nullable=False),
        sa.Column("orchestration_config", postgresql.JSONB(), nullable=True),
        sa.Column("orchestration_status", sa.Text(), nullable=False),
        sa.Column("orchestration_job_id", sa.Text(), nullable=True),
        sa.Column("orchestration_job_url", sa.Text(), nullable=True),
        sa.Column("metadata", postgresql.JSONB(), nullable=True),
        sa.Column("triggered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "orchestration_status IN ('pending', 'triggered', 'running', 'completed', 'failed')",
            name="resume_requests_status",
        ),
        sa.CheckConstraint("request_source IN ('api', 'webhook', 'cli', 'auto')", name="resume_requests_source"),
        sa.ForeignKeyConstraint(["build_id"], ["builds.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("resume_requests_newest", "resume_requests", ["build_id", "created_at"], unique=False)
    op.create_index(
        "resume_requests_one_open",
        "resume_requests",
        ["build_id"],
        unique=True,
        postgresql_where=sa.text("orchestration_status IN ('pending', 'triggered', 'running')"),
    )
    op.create_table(
        "build_jobs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("build_id", sa.Uuid(), nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("pipeline_name", sa.Text(), nullable=True),
        sa.Column("job_name", sa.Text(), nullable=False),
        sa.Column("job_url", sa.Text(), nullable=True),
        sa.Column("job_id", sa.Text(), nullable=True),
        sa.Column("build_number", sa.Text(), nullable=True),
        sa.Column("triggered_by", sa.Text(), nullable=True),
        sa.Column("trigger_source", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("is_resume_job", sa.Boolean(), nullable=False),
        sa.Column("resumed_from_state", sa.Integer(), nullable=True),
        sa.Column("parent_job_id", sa.Uuid(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "status IN ('pending', 'running', 'success', 'failed', 'aborted')", name="build_jobs_status"
        ),
        sa.ForeignKeyConstraint(["build_id"], ["builds.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["parent_job_id"],
            ["build_jobs.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("build_jobs_newest", "build_jobs", ["build_id", "created_at"], unique=False)


def create_events_and_keys() -> None:
    op.create_table(
        "events",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=True),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=True),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("payload", postgresql.JSONB(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("position"),
    )
    op.create_index("events_of_subject", "events", ["subject", "id"], unique=False)
    op.create_table(
        "idempotency_keys",
        sa.Column("caller", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("body_sha256", sa.Text(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("caller", "path", "key"),
    )
    op.create_index("idempotency_keys_by_age", "idempotency_keys", ["created_at"], unique=False)
