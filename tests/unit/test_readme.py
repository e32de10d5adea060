"""What the README says of settings is what they are."""

import re
from datetime import timedelta
from pathlib import Path

from pydantic import AliasChoices
from pydantic.fields import FieldInfo

from settings import Settings

_README = Path(__file__).parents[2] / "README.md"


def test_the_table_of_settings_lists_each_one_as_it_is() -> None:
    rows = re.findall(r"^\| `([A-Z_]+)` \| (.*?) \| (.*?) \|$", _README.read_text(), re.MULTILINE)
    assert rows == [
        (_name(name, field), _default(field), field.description) for name, field in Settings.model_fields.items()
    ]


def _name(name: str, field: FieldInfo) -> str:
    alias = field.validation_alias
    return str(alias.choices[0]) if isinstance(alias, AliasChoices) else f"SLIPWAY_{name.upper()}"


def _default(field: FieldInfo) -> str:
    value = field.default
    if field.default_factory is not None and field.default_factory is not dict:
        return "the host's name"
    if value is None or field.default_factory is dict:
        return "–"  # noqa: RUF001 - as printed
    if isinstance(value, timedelta):
        return _duration(int(value.total_seconds()))
    return (", ".join(value) or "–") if isinstance(value, tuple) else str(value)  # noqa: RUF001


def _duration(seconds: int) -> str:
    for unit, word in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= unit and seconds % unit == 0:
            return f"{seconds // unit} {word}"
    return f"{seconds} s"
