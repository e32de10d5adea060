"""Every table in one place, for migrations and for the test that compares them with the database."""

from sqlalchemy import MetaData
from sqlmodel import SQLModel

from models import build, event, execution, image, project

TABLE_FAMILIES = (build, event, execution, image, project)


def all_tables() -> MetaData:
    return SQLModel.metadata
