"""Each payload type has a golden file per version in tests/payloads: what a run of that release wrote to its history.

A field is only ever added, with a default, so a golden file is never changed: a new version gets a new file.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from temporalio.contrib.pydantic import pydantic_data_converter

from models.rules import build_payloads
from models.rules.build_payloads import ImageBuildOrder, Payload

FOLDER = Path(__file__).parents[2] / "payloads"
GOLDEN = sorted(FOLDER.glob("*.json"))


def whole_types(kind: type[Payload]) -> list[type[Payload]]:
    """Return the payload types that cross Temporal: those that no other one is made from."""
    below = [each for each in kind.__subclasses__() if each.__module__ == build_payloads.__name__]
    return [whole for each in below for whole in whole_types(each)] or [kind]


TYPES = {kind.__name__: kind for kind in whole_types(Payload)}
LARGEST_BYTES = 4096

each_golden = pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
each_type = pytest.mark.parametrize("kind", TYPES.values(), ids=TYPES)


def golden(path: Path) -> tuple[type[Payload], dict[str, Any]]:
    return TYPES[path.name.partition(".")[0]], json.loads(path.read_text())


def decoded(kind: type[Payload], body: dict[str, Any]) -> Payload:
    converter = pydantic_data_converter.payload_converter
    [value] = converter.from_payloads(converter.to_payloads([body]), [kind])
    assert isinstance(value, kind)
    return value


def test_every_payload_type_has_a_golden_file() -> None:
    assert {path.name.partition(".")[0] for path in GOLDEN} == set(TYPES)


@each_golden
def test_what_an_older_release_wrote_still_says_the_same(path: Path) -> None:
    kind, body = golden(path)
    now = decoded(kind, body).model_dump(mode="json")
    assert {key: now.get(key) for key in body} == body


@each_golden
def test_a_golden_file_shows_every_value_that_is_not_the_default(path: Path) -> None:
    kind, body = golden(path)
    required = {name for name, field in kind.model_fields.items() if field.is_required()}
    assert required <= set(body)


@each_golden
def test_an_older_worker_survives_what_a_newer_one_sends(path: Path) -> None:
    kind, body = golden(path)
    newer = body | {"a_field_of_next_year": {"deep": [1, 2, 3]}}
    assert decoded(kind, newer) == decoded(kind, body)


@each_golden
def test_a_payload_cannot_be_changed_once_it_is_made(path: Path) -> None:
    kind, body = golden(path)
    value = decoded(kind, body)
    with pytest.raises(ValidationError, match="frozen"):
        setattr(value, next(iter(kind.model_fields)), None)


@each_golden
def test_a_payload_is_small(path: Path) -> None:
    kind, body = golden(path)
    [payload] = pydantic_data_converter.payload_converter.to_payloads([decoded(kind, body)])
    assert payload.ByteSize() < LARGEST_BYTES


@each_type
def test_a_field_that_was_added_later_has_a_default(kind: type[Payload]) -> None:
    oldest = golden(FOLDER / f"{kind.__name__}.v1.json")[1]
    assert not [name for name, field in kind.model_fields.items() if field.is_required() and name not in oldest]


@each_type
def test_no_payload_can_carry_a_secret_or_bytes(kind: type[Payload]) -> None:
    schema = json.dumps(kind.model_json_schema())
    assert '"password"' not in schema  # what pydantic calls a secret's format
    assert '"binary"' not in schema


def test_a_first_order_names_the_build_and_nothing_else() -> None:
    body = golden(FOLDER / "ImageBuildOrder.v1.json")[1]
    first = decoded(ImageBuildOrder, {key: body[key] for key in ("build_id", "generation")})
    assert isinstance(first, ImageBuildOrder)
    assert (first.parked, first.wishes, first.stays_open.days) == (False, (), 14)
