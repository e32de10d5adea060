"""Alembic's entry: always run by models.postgres.database, which hands its connection over; never by itself."""

from alembic import context
from sqlalchemy import Connection


def run(connection: Connection) -> None:
    context.configure(
        connection=connection, target_metadata=context.config.attributes["tables"], transaction_per_migration=False
    )
    with context.begin_transaction():
        context.run_migrations()


run(context.config.attributes["connection"])
