"""How a builder's engine is made to build, and whether it clips logs.

Revision: 0011, after 0010
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_COLUMNS = ("builds_by", "clips_at")


def upgrade() -> None:
    for name in _COLUMNS:
        op.add_column("builders", sa.Column(name, sa.Text(), nullable=True))


def downgrade() -> None:
    for name in _COLUMNS:
        op.drop_column("builders", name)
