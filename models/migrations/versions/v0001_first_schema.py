"""The first schema: builds, images, executions with their logs, and what stands beside them.

Revision: 0001, after nothing
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    _create_installation()
    _create_builds()
    _create_executions()
    _create_images_and_products()
    _create_resumes_and_jobs()
    _create_events_and_keys()
    # the two tables name each other, so one of the names is added at the end
    op.create_foreign_key("builds_image_id_fkey", "builds", "docker_images", ["image_id"], ["id"], ondelete="SET NULL")
    # chunks arrive compressed: trying to compress them again would only cost
    op.execute("ALTER TABLE log_chunks ALTER COLUMN data SET STORAGE EXTERNAL")
    op.execute("INSERT INTO installation (id, instance) VALUES (1, gen_random_uuid())")


def downgrade() -> None:
    raise RuntimeError("The first schema has nothing before it; restore a backup instead.")


def _create_installation() -> None:
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


def _create_builds() -> None:
    op.create_table(
        "builds",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("third_party_id", sa.Text(), nullable=True),
        sa.Column("parser_id", sa.Text(), nullable=True),
        sa.Column("project_id", sa.Uuid(), nullable=True),
        sa.Column("platform", sa.Text(), nullable=True),
        sa.Column("os_version", sa.Text(), nullable=True),
        sa.Column("image_type", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("correlation_id", sa.Text(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("image_name", sa.Text(), nullable=True),
        sa.Column("image_tag", sa.Text(), nullable=True),
        sa.Column("generation", sa.Integer(), nullable=True),
        sa.Column("repo", sa.Text(), nullable=True),
        sa.Column("wanted_commit", sa.Text(), nullable=True),
        sa.Column("dockerfile_path", sa.Text(), nullable=True),
        sa.Column("target", sa.Text(), nullable=True),
        sa.Column("build_args", postgresql.JSONB(), nullable=False),
        sa.Column("cancel_requested_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cancel_requested_by", sa.Text(), nullable=True),
        sa.Column("resume_from", sa.Integer(), nullable=True),
        sa.Column("paused", sa.Boolean(), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_reason", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("current_state", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("commit_sha", sa.Text(), nullable=True),
        sa.Column("image_uri", sa.Text(), nullable=True),
        sa.Column("docker_image_id", sa.Text(), nullable=True),
        sa.Column("host_queue", sa.Text(), nullable=True),
        sa.Column("cancel_receipt", postgresql.JSONB(), nullable=True),
        sa.Column("image_id", sa.Integer(), nullable=True),
        sa.Column("run_id", sa.Text(), nullable=True),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "(completed_at IS NOT NULL) = (status NOT IN ('pending', 'running'))", name="builds_completed"
        ),
        sa.CheckConstraint(
            "kind <> 'image' OR (image_name IS NOT NULL AND image_tag IS NOT NULL AND generation IS NOT NULL)",
            name="builds_image",
        ),
        sa.CheckConstraint("kind IN ('image', 'pipeline')", name="builds_kind"),
        sa.CheckConstraint(
            "status IN ('pending', 'running', 'succeeded', 'failed', 'cancelled')", name="builds_status"
        ),
        sa.CheckConstraint("current_state BETWEEN 0 AND 100 AND current_state % 5 = 0", name="builds_state"),
        sa.CheckConstraint("priority BETWEEN 1 AND 5", name="builds_priority"),
        sa.ForeignKeyConstraint(
            ["project_id"],
            ["projects.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("image_name", "image_tag", "generation", name="builds_generation"),
        sa.UniqueConstraint("name"),
    )
    op.create_index("builds_newest", "builds", ["created_at", "id"], unique=False)
    op.create_index("builds_of_image", "builds", ["image_id"], unique=False)
    op.create_index(
        "builds_one_open_per_image",
        "builds",
        ["image_name", "image_tag"],
        unique=True,
        postgresql_where=sa.text("status IN ('pending', 'running') AND kind = 'image'"),
    )
    op.create_index(
        "builds_open", "builds", ["id"], unique=False, postgresql_where=sa.text("status IN ('pending', 'running')")
    )
    op.create_index(
        "builds_queued",
        "builds",
        ["id"],
        unique=False,
        postgresql_where=sa.text("status IN ('pending', 'running') AND current_state < 40 AND kind = 'image'"),
    )
    op.create_table(
        "build_states",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("build_id", sa.Uuid(), nullable=False),
        sa.Column("state_code", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("metadata", postgresql.JSONB(), nullable=True),
        sa.Column("entered_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("status IN ('in_progress', 'completed', 'failed')", name="build_states_status"),
        sa.ForeignKeyConstraint(["build_id"], ["builds.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("build_id", "state_code", "attempt", name="build_states_attempt"),
    )
    op.create_table(
        "build_failures",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("build_id", sa.Uuid(), nullable=False),
        sa.Column("state_code", sa.Integer(), nullable=False),
        sa.Column("error_message", sa.Text(), nullable=False),
        sa.Column("error_code", sa.Text(), nullable=True),
        sa.Column("component", sa.Text(), nullable=True),
        sa.Column("details", postgresql.JSONB(), nullable=True),
        sa.Column("is_retryable", sa.Boolean(), nullable=True),
        sa.Column("failing_step", sa.Text(), nullable=True),
        sa.Column("exit_code", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["build_id"], ["builds.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("build_failures_newest", "build_failures", ["build_id", "created_at"], unique=False)
    op.create_table(
        "build_artifacts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("build_id", sa.Uuid(), nullable=False),
        sa.Column("state_code", sa.Integer(), nullable=False),
        sa.Column("artifact_name", sa.Text(), nullable=False),
        sa.Column("artifact_type", sa.Text(), nullable=False),
        sa.Column("artifact_path", sa.Text(), nullable=False),
        sa.Column("storage_backend", sa.Text(), nullable=False),
        sa.Column("storage_region", sa.Text(), nullable=True),
        sa.Column("storage_bucket", sa.Text(), nullable=True),
        sa.Column("storage_key", sa.Text(), nullable=True),
        sa.Column("size_bytes", sa.BigInteger(), nullable=True),
        sa.Column("checksum", sa.Text(), nullable=True),
        sa.Column("checksum_algorithm", sa.Text(), nullable=False),
        sa.Column("is_resumable", sa.Boolean(), nullable=False),
        sa.Column("is_final", sa.Boolean(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("metadata", postgresql.JSONB(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["build_id"], ["builds.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "build_artifacts_one_live",
        "build_artifacts",
        ["build_id", "artifact_name"],
        unique=True,
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_table(
        "build_variables",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("build_id", sa.Uuid(), nullable=False),
        sa.Column("variable_key", sa.Text(), nullable=False),
        sa.Column("variable_value", sa.Text(), nullable=False),
        sa.Column("variable_type", sa.Text(), nullable=False),
        sa.Column("set_at_state", sa.Integer(), nullable=True),
        sa.Column("is_sensitive", sa.Boolean(), nullable=False),
        sa.Column("is_required_for_resume", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("variable_type IN ('string', 'json', 'encrypted')", name="build_variables_type"),
        sa.ForeignKeyConstraint(["build_id"], ["builds.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("build_id", "variable_key", name="build_variables_key"),
    )
    op.create_table(
        "build_progress",
        sa.Column("build_id", sa.Uuid(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("steps", sa.Integer(), nullable=False),
        sa.Column("last_line", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["build_id"], ["builds.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("build_id"),
        postgresql_with={"fillfactor": 70},
    )
    op.create_table(
        "build_runs",
        sa.Column("build_id", sa.Uuid(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["build_id"], ["builds.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("build_id", "run_id"),
    )
    op.create_table(
        "dirty_builds",
        sa.Column("build_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("claimed_until", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["build_id"], ["builds.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("build_id"),
    )


def _create_executions() -> None:
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


def _create_images_and_products() -> None:
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


def _create_resumes_and_jobs() -> None:
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


def _create_events_and_keys() -> None:
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
