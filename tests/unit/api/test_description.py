"""The OpenAPI description: it is valid, short, complete, and says no more and no less than what the server checks."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from openapi_spec_validator import OpenAPIV31SpecValidator

from models.rules.errors.request import RequestInvalid
from models.rules.image_order import ImageOrder
from tests.support.description import DESCRIPTION, is_valid

SCHEMAS = DESCRIPTION["components"]["schemas"]
ORDER: dict[str, Any] = {"repo": "demo/hello", "tag": "v1.0.0", "commit_sha": "0123456", "image_name": "hello"}
# of which the order checks nothing but the grammar
WORDS = ("repo", "tag", "commit_sha", "target")


OPERATIONS: list[tuple[str, dict[str, Any]]] = [
    (f"{method} {path}", operation)
    for path, methods in DESCRIPTION["paths"].items()
    for method, operation in methods.items()
]


def parts(schema: object, key: str) -> Iterator[Any]:
    """Yield the values of `key` wherever they stand."""
    if isinstance(schema, dict):
        yield from [schema[key]] if key in schema else []
        schema = list(schema.values())
    if isinstance(schema, list):
        for inner in schema:
            yield from parts(inner, key)


def test_it_is_valid_openapi() -> None:
    OpenAPIV31SpecValidator(DESCRIPTION).validate()


def test_operations_have_short_names_of_their_own() -> None:
    names = [operation["operationId"] for _, operation in OPERATIONS]
    assert len(set(names)) == len(names)
    assert {"order_image", "list_images", "show_image", "delete_image", "list_github_tags"} <= set(names)
    assert {"read_log", "stream_log"} <= set(names)
    assert [name for name in names if not re.fullmatch(r"[a-z]+(_[a-z]+){1,2}", name)] == []


@pytest.mark.parametrize("name", [name for name, schema in SCHEMAS.items() if "examples" in schema])
def test_examples_are_what_they_are_examples_of(name: str) -> None:
    examples = SCHEMAS[name]["examples"]
    assert examples
    for example in examples:
        assert is_valid(example, {"$ref": f"#/components/schemas/{name}"}), example
        assert set(SCHEMAS[name].get("required", ())) <= set(example)


def test_examples_of_single_values_are_valid_too() -> None:
    described = [each for _, operation in OPERATIONS for each in operation.get("parameters", ())]
    described += [inner for schema in SCHEMAS.values() for inner in schema.get("properties", {}).values()]
    with_examples = [each for each in described if "examples" in each]
    assert with_examples
    for each in with_examples:
        for example in each["examples"]:
            assert is_valid(example, each.get("schema", each)), each


def test_orders_and_images_have_examples() -> None:
    for name in ("ImageRequest", "ImageAnswer", "Problem"):
        assert SCHEMAS[name]["examples"]


def test_words_that_are_fixed_are_enumerated() -> None:
    statuses = ["pending", "building", "success", "failed"]
    assert SCHEMAS["ImageStatus"]["enum"] == statuses
    for schema, field in (("ImageAnswer", "build_status"), ("Problem", "build_status"), ("EndedBuild", "status")):
        assert SCHEMAS[schema]["properties"][field]["$ref"].endswith("/ImageStatus")
    assert SCHEMAS["Works"]["enum"] == ["ok", "failing"]
    assert SCHEMAS["Health"]["enum"] == ["healthy", "unhealthy"]
    assert SCHEMAS["Part"]["enum"] == ["database", "temporal", "engine", "workers"]


def test_no_parameter_may_be_null_and_no_member_of_a_problem() -> None:
    parameters = [each["schema"] for _, operation in OPERATIONS for each in operation.get("parameters", ())]
    assert "null" not in list(parts([*parameters, SCHEMAS["Problem"]["properties"]], "type"))


@pytest.mark.parametrize(("where", "operation"), OPERATIONS, ids=[where for where, _ in OPERATIONS])
def test_every_answer_says_which_headers_it_bears(where: str, operation: dict[str, Any]) -> None:
    described = DESCRIPTION["components"]["headers"]
    assert all(header["description"] and header["schema"] for header in described.values())
    for status, answer in operation["responses"].items():
        headers = answer["headers"]
        assert {each["$ref"].rpartition("/")[2] for each in headers.values()} <= set(described)
        assert "X-Correlation-ID" in headers
        assert ("Retry-After" in headers) == (status in {"429", "503"})
        assert ("Location" in headers) == (status == "409" or (where.startswith("post") and status in {"200", "201"}))
        is_kept = "application/json" in answer.get("content", {}) or where.endswith("/log")
        is_tagged = status in {"206", "304"} or (status == "200" and is_kept)
        assert ("ETag" in headers) == (where.startswith("get") and is_tagged)
        assert ("Content-Range" in headers) == (status in {"206", "416"})


@pytest.mark.parametrize(("where", "operation"), OPERATIONS, ids=[where for where, _ in OPERATIONS])
def test_every_refusal_is_a_problem(where: str, operation: dict[str, Any]) -> None:
    refusals = {status: answer for status, answer in operation["responses"].items() if status >= "400"}
    assert "500" in refusals
    ready = {"get /ready", "get /status", "get /health/readiness"}
    for status, answer in refusals.items():
        media_type = "application/json" if where in ready and status == "503" else "application/problem+json"
        assert list(answer["content"]) == [media_type]


def _property(name: str) -> dict[str, Any]:
    schema: dict[str, Any] = SCHEMAS["ImageRequest"]["properties"][name]
    return schema


def _is_taken(name: str, value: object) -> bool:
    try:
        ImageOrder(**ORDER | {name: value})
    except RequestInvalid:
        return False
    return True


@pytest.mark.parametrize("name", WORDS)
@given(data=st.data())
def test_a_word_is_taken_when_its_pattern_says_so_and_only_then(name: str, data: st.DataObject) -> None:
    described = _property(name)
    pattern = next(parts(described, "pattern"))
    value = data.draw(st.from_regex(pattern, fullmatch=True) | st.text(alphabet="aZ09-_./:é\n\x00", max_size=120))
    assume(not value.endswith("\n"))  # where Python's `$` also matches, unlike JSON Schema's
    assume(not value.endswith(("/.", "/..")))  # no pattern says so briefly
    assert _is_taken(name, value) == is_valid(value, described)


@pytest.mark.parametrize("name", ["image_name", "dockerfile_path", "context", "third_party_id", "parser_id"])
@given(data=st.data())
def test_whatever_is_taken_is_described(name: str, data: st.DataObject) -> None:
    value = data.draw(st.text(alphabet="aZ09-_./:[]\\é\n\x00", max_size=300) | st.sampled_from(["a", "a/b", "h:1/a"]))
    assume(not value.endswith("\n"))
    if _is_taken(name, value):
        assert is_valid(value, _property(name))


@given(st.dictionaries(st.text(alphabet="aZ_09-=\x00", max_size=102), st.text(alphabet="a\x00é", max_size=5)))
def test_build_args_are_taken_as_described(build_args: dict[str, str]) -> None:
    assert _is_taken("build_args", build_args) == is_valid(build_args, _property("build_args"))


def test_limits_are_described_where_they_are() -> None:
    build_args = _property("build_args")
    assert is_valid({f"A{number}": "x" * 4096 for number in range(1)}, build_args)
    assert not is_valid({"A": "x" * 4097}, build_args)
    assert not is_valid({f"A{number}": "" for number in range(101)}, build_args)
    assert not is_valid("v" * 101, _property("tag"))
    assert not is_valid("a" * 256, _property("third_party_id"))
    assert not is_valid("a/" * 250 + "a", _property("context"))
