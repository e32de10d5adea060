"""Column types that every table shares, so that one kind of fact is stored in one way."""

from typing import Any

from sqlalchemy import DateTime, Integer, Text, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field


def text_column(**options: Any) -> Any:  # noqa: ANN401 - what sqlmodel's Field takes and gives
    return Field(sa_type=Text, **options)


def json_column(**options: Any) -> Any:  # noqa: ANN401
    return Field(sa_type=JSONB, **options)


def time_column(**options: Any) -> Any:  # noqa: ANN401
    """Return a timestamptz; what is stored comes from the database's clock."""
    return Field(sa_type=DateTime(timezone=True), **options)


def created_at_column() -> Any:  # noqa: ANN401
    return time_column(nullable=False, sa_column_kwargs={"server_default": func.now()})


def state_code_column(**options: Any) -> Any:  # noqa: ANN401
    return Field(sa_type=Integer, **options)
