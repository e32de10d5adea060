"""A kept answer remembers its Location, so that a repeat of a refusal also leads to what is in the way.

Revision: 0002, after 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("idempotency_keys", sa.Column("location", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("idempotency_keys", "location")
