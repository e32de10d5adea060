"""The folder of the repository that a build's Dockerfile copies from.

Revision: 0004, after 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("builds", sa.Column("context", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("builds", "context")
