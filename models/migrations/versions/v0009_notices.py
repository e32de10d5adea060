"""What a person should know of a build that went on.

Revision: 0009, after 0008
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_TABLES = ("builds", "build_executions")


def upgrade() -> None:
    for table in _TABLES:
        # with a default: the release before writes rows without it
        notices = sa.Column("notices", postgresql.JSONB(), server_default=sa.text("'[]'"), nullable=False)
        op.add_column(table, notices)


def downgrade() -> None:
    for table in _TABLES:
        op.drop_column(table, "notices")
