"""The outbox: keys of rows whose wishes have to be told to Temporal."""

from datetime import datetime

from sqlalchemy import BigInteger
from sqlmodel import Field, SQLModel

from models.tables.columns import text_column, time_column


class DirtyKey(SQLModel, table=True):
    """The key of a row that has to be delivered: what to do is read from the row, when it is done."""

    __tablename__ = "dirty_keys"

    kind: str = text_column(primary_key=True)
    id: str = text_column(primary_key=True)
    version: int = Field(default=1, sa_type=BigInteger)
    claimed_until: datetime | None = time_column(default=None)
