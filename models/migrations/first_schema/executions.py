"""The first schema: the installation, builder hosts, attempts and their logs. Released, so never changed."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql


def create_installation() -> None:
    op.create_table(
        "installation",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("instance", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "builders",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("incarnation", sa.Uuid(), nullable=False),
        sa.Column("slots", sa.Integer(), nullable=False),
        sa.Column("engine_version", sa.Text(), nullable=True),
        sa.Column("engine_error", sa.Text(), nullable=True),
        sa.Column("is_limited", sa.Boolean(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("slots > 0", name="builders_slots"),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "projects",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("parent_project_id", sa.Uuid(), nullable=True),
        sa.Column("stall_minutes", sa.Integer(), nullable=True),
        sa.Column("trigger_webhook", sa.Text(), nullable=True),
        sa.Column("abort_webhook", sa.Text(), nullable=True),
        sa.Column("webhook_secret", sa.LargeBinary(), nullable=True),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("deactivated_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["parent_project_id"],
            ["projects.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name"),
        sa.UniqueConstraint("slug"),
    )
    op.create_table(
        "resumable_states",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("state_code", sa.Integer(), nullable=False),
        sa.Column("is_resumable", sa.Boolean(), nullable=False),
        sa.Column("resume_strategy", sa.Text(), nullable=False),
        sa.Column("required_artifacts", postgresql.JSONB(), nullable=False),
        sa.Column("required_variables", postgresql.JSONB(), nullable=False),
        sa.Column("resume_command", sa.Text(), nullable=True),
        sa.Column("resume_timeout_seconds", sa.Integer(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("notes", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "resume_strategy IN ('from_artifact', 'rerun_state', 'skip_to_next')", name="resumable_states_strategy"
        ),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("project_id", "state_code", name="resumable_states_code"),
    )


def create_executions() -> None:
    op.create_table(
        "build_executions",
        sa.Column("token", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("build_id", sa.Uuid(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("builder", sa.Text(), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("docker_image_id", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("error_code", sa.Text(), nullable=True),
        sa.Column("failing_step", sa.Text(), nullable=True),
        sa.Column("exit_code", sa.Integer(), nullable=True),
        sa.Column("log_day", sa.Date(), nullable=False),
        sa.Column("log_bytes", sa.BigInteger(), nullable=True),
        sa.Column("log_loss", sa.Text(), nullable=True),
        sa.Column("log_tail", sa.Text(), nullable=True),
        sa.Column("log_key", sa.Text(), nullable=True),
        sa.Column("log_sha256", sa.Text(), nullable=True),
        sa.CheckConstraint("outcome IN ('succeeded', 'failed', 'cancelled', 'lost')", name="build_executions_outcome"),
        sa.CheckConstraint("(outcome IS NULL) = (ended_at IS NULL)", name="build_executions_ended"),
        sa.ForeignKeyConstraint(["build_id"], ["builds.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["builder"],
            ["builders.name"],
        ),
        sa.PrimaryKeyConstraint("token"),
        sa.UniqueConstraint("build_id", "attempt", name="build_executions_attempt"),
    )
    op.create_index(
        "build_executions_live",
        "build_executions",
        ["builder"],
        unique=False,
        postgresql_where=sa.text("outcome IS NULL"),
    )
    op.create_index(
        "build_executions_unkept",
        "build_executions",
        ["builder"],
        unique=False,
        postgresql_where=sa.text("outcome IS NOT NULL AND log_key IS NULL"),
    )
    op.create_table(
        "log_chunks",
        sa.Column("execution", sa.BigInteger(), nullable=False),
        sa.Column("from_byte", sa.BigInteger(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("size_bytes", sa.Integer(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("execution", "from_byte", "day"),
        postgresql_partition_by="RANGE (day)",
    )
