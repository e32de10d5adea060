"""One outbox for every kind of work. What the release before writes to `dirty_builds` is taken over as it comes.

Revision: 0007, after 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "dirty_keys",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("claimed_until", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("kind", "id"),
    )
    op.execute("INSERT INTO dirty_keys (kind, id, version) SELECT 'build', build_id::text, version FROM dirty_builds")
    # an API of the release before still marks here; its relay delivers as well, which harms nobody
    op.execute(
        """
        CREATE FUNCTION take_over_dirty_build() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            INSERT INTO dirty_keys (kind, id, version) VALUES ('build', NEW.build_id::text, 1)
            ON CONFLICT (kind, id) DO UPDATE SET version = dirty_keys.version + 1, claimed_until = NULL;
            RETURN NULL;
        END $$
        """
    )
    op.execute(
        "CREATE TRIGGER take_over AFTER INSERT OR UPDATE OF version ON dirty_builds"
        " FOR EACH ROW EXECUTE FUNCTION take_over_dirty_build()"
    )


def downgrade() -> None:
    op.execute("DROP TRIGGER take_over ON dirty_builds")
    op.execute("DROP FUNCTION take_over_dirty_build()")
    op.drop_table("dirty_keys")
