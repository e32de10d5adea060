"""Column types that every table shares, so that one kind of fact is stored in one way."""

import re
from typing import Any

from sqlalchemy import DateTime, Dialect, Integer, Text, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeDecorator
from sqlmodel import Field

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def storable(value: Any) -> Any:  # noqa: ANN401 - JSON of any shape
    """Return the text, or each text within, with U+FFFD for NUL and half characters, which Postgres refuses.

    Build output and what programs say about it may hold them; the log itself is bytes, and keeps them.
    """
    if isinstance(value, str):
        return _UNSTORABLE.sub("\ufffd", value)
    if isinstance(value, dict):
        return {storable(key): storable(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [storable(inner) for inner in value]
    return value


class _StorableText(TypeDecorator[str]):
    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        text: str | None = storable(value)
        return text


class _StorableJson(TypeDecorator[Any]):
    impl = JSONB
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:  # noqa: ANN401
        return storable(value)


def text_column(**options: Any) -> Any:  # noqa: ANN401 - what sqlmodel's Field takes and gives
    return Field(sa_type=_StorableText, **options)


def json_column(**options: Any) -> Any:  # noqa: ANN401
    return Field(sa_type=_StorableJson, **options)


def texts_column() -> Any:  # noqa: ANN401
    """Return a list of texts, empty unless something is said; with a default, since older releases write without."""
    return json_column(default_factory=list, nullable=False, sa_column_kwargs={"server_default": text("'[]'")})


def time_column(**options: Any) -> Any:  # noqa: ANN401
    """Return a timestamptz; what is stored comes from the database's clock."""
    return Field(sa_type=DateTime(timezone=True), **options)


def created_at_column() -> Any:  # noqa: ANN401
    return time_column(nullable=False, sa_column_kwargs={"server_default": func.now()})


def state_code_column(**options: Any) -> Any:  # noqa: ANN401
    return Field(sa_type=Integer, **options)
