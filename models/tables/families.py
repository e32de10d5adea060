"""Every table in one place: for migrations, and for keys that name tables of another family."""

from sqlalchemy import MetaData
from sqlalchemy.orm import configure_mappers
from sqlmodel import SQLModel

from models.tables import build, event, execution, image, outbox, project, waiting

TABLE_FAMILIES = (build, event, execution, image, outbox, project, waiting)


def all_tables() -> MetaData:
    return SQLModel.metadata


def prepare_tables() -> None:
    """Do at the start what the first query would do."""
    configure_mappers()
