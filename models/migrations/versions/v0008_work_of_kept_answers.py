"""What was wanted by a kept answer, so that a repeat need not be read from its body.

Revision: 0008, after 0007
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("idempotency_keys", sa.Column("work_kind", sa.Text(), nullable=True))
    op.add_column("idempotency_keys", sa.Column("work_id", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("idempotency_keys", "work_id")
    op.drop_column("idempotency_keys", "work_kind")
