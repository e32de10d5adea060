"""Images are listed by name, repository and tag, too, each along an index.

Revision: 0006, after 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("docker_images_by_name", "docker_images", ["name_key", "created_at", "id"])
    op.create_index("docker_images_by_repo", "docker_images", [sa.text("lower(github_repo)"), "created_at", "id"])
    op.create_index("docker_images_by_tag", "docker_images", ["tag", "created_at", "id"])


def downgrade() -> None:
    for name in ("docker_images_by_name", "docker_images_by_repo", "docker_images_by_tag"):
        op.drop_index(name, "docker_images")
