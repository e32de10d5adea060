"""The names of secrets that a build's steps may mount.

Revision: 0012, after 0011
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # with a default: the release before writes rows without it
    secrets = sa.Column("secrets", postgresql.JSONB(), server_default=sa.text("'[]'"), nullable=False)
    op.add_column("builds", secrets)


def downgrade() -> None:
    op.drop_column("builds", "secrets")
