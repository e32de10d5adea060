"""The first schema: builds, images, executions with their logs, and what stands beside them.

Revision: 0001, after nothing
"""

from alembic import op

from models.migrations.first_schema import builds, executions, images

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    executions.create_installation()
    builds.create_builds()
    executions.create_executions()
    images.create_images_and_products()
    images.create_resumes_and_jobs()
    images.create_events_and_keys()
    # the two tables name each other, so one of the names is added at the end
    op.create_foreign_key("builds_image_id_fkey", "builds", "docker_images", ["image_id"], ["id"], ondelete="SET NULL")
    # chunks arrive compressed: trying to compress them again would only cost
    op.execute("ALTER TABLE log_chunks ALTER COLUMN data SET STORAGE EXTERNAL")
    op.execute("INSERT INTO installation (id, instance) VALUES (1, gen_random_uuid())")


def downgrade() -> None:
    raise RuntimeError("The first schema has nothing before it; restore a backup instead.")
