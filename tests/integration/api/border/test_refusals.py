"""What a request that cannot be taken is told: which value is wrong, and what it must be."""

import json
from typing import Any

import httpx
import pytest

from api.images.schemas import ImageRequest
from tests.support.servers.api_server import RunningApi, order_of

IMAGES = "/api/v1/images"
JSON = {"Content-Type": "application/json"}


def _check(answer: httpx.Response, loc: list[str | int], sentence: str) -> None:
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, "request_invalid")
    assert problem["detail"] == sentence
    assert problem["errors"] == [{"loc": loc, "msg": sentence}]


@pytest.mark.parametrize(
    ("change", "inner", "sentence"),
    [
        ({"tag": None}, [], "tag must be a string."),
        ({"repo": 7}, [], "repo must be a string."),
        ({"priority": 0}, [], "priority must be an integer from 1 to 5."),
        ({"priority": 6}, [], "priority must be an integer from 1 to 5."),
        ({"priority": "1"}, [], "priority must be an integer from 1 to 5."),
        ({"priority": 1.5}, [], "priority must be an integer from 1 to 5."),
        ({"force_rebuild": "yes"}, [], "force_rebuild must be true or false."),
        ({"third_party_id": "x" * 256}, [], "third_party_id must have 255 characters at most."),
        (
            {"parser_id": "\x00"},
            [],
            "parser_id may have 255 characters at most, and no control characters.",
        ),
        ({"build_args": ["A=1"]}, [], "build_args must be a JSON object."),
        ({"build_args": {"A": 1}}, ["A"], "build_args.A must be a string."),
        ({"build_args": {"A\nB": 1}}, ["A\nB"], "build_args.A?B must be a string."),
        ({"secrets": "npm"}, [], "secrets must be a list."),
        ({"secrets": ["npm", 1]}, [1], "secrets[1] must be a string."),
    ],
    ids=str,
)
async def test_a_wrong_value_is_named_in_a_sentence_that_says_what_it_must_be(
    bystander: RunningApi, change: dict[str, Any], inner: list[str | int], sentence: str
) -> None:
    answer = await bystander.http.post(IMAGES, json=order_of() | change)
    _check(answer, ["body", *change, *inner], sentence)


LONG_PATH = "may have 500 characters at most."
NO_ARGUMENT = "is no name of an argument: letters, digits and '_', 100 at most, not beginning with a digit."
NO_STAGE = (
    "target must be the name of a build stage: letters, digits, '.', '_' and '-', 128 at most, beginning with a letter"
    " or a digit."
)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"dockerfile_path": "d/" * 250 + "D"}, f"dockerfile_path {LONG_PATH}"),
        ({"context": "d/" * 251}, f"context {LONG_PATH}"),
        ({"build_args": {"A" * 101: ""}}, f"build_args: '{'A' * 50}' {NO_ARGUMENT}"),
        ({"build_args": {"1A": ""}}, f"build_args: '1A' {NO_ARGUMENT}"),
        ({"build_args": {"A": "x" * 4097}}, "build_args: the value of 'A' has more than 4096 characters."),
        (
            {"build_args": {"A": "\x00"}},
            "build_args: the value of 'A' holds a NUL or half a character, which no argument can.",
        ),
        ({"build_args": {f"A{number}": "" for number in range(101)}}, "build_args may hold 100 names at most."),
        ({"build_args": {f"A{number}": 1 for number in range(101)}}, "build_args may hold 100 names at most."),
        ({"secrets": [1] * 21}, "secrets may hold 20 names at most."),
        ({"target": "x" * 129}, NO_STAGE),
        ({"target": "-x"}, NO_STAGE),
        (
            {"image_name": "0123456789abcdef" * 4},
            "image_name reads like an image's id, which is what Docker would take it for; add a word to it.",
        ),
    ],
    ids=range(12),
)
async def test_what_is_said_of_a_value_is_true_for_it(
    bystander: RunningApi, change: dict[str, Any], sentence: str
) -> None:
    answer = await bystander.http.post(IMAGES, json=order_of() | change)
    assert (answer.status_code, answer.json()["detail"]) == (422, sentence)


async def test_a_body_that_is_wrong_in_a_million_places_is_refused_by_one_sentence(bystander: RunningApi) -> None:
    for name, items in (("secrets", b"[" + b"1," * 7_000_000 + b"1]"), ("repo", b"[" * 500 + b"]" * 500)):
        body = (
            b'{"tag":"v1","commit_sha":"0123456","image_name":"x","repo":"a/b","' + name.encode() + b'":' + items + b"}"
        )
        answer = await bystander.http.post(IMAGES, content=body, headers=JSON)
        assert answer.status_code == 422
        assert len(answer.json()["errors"]) == 1


async def test_a_value_that_is_missing_is_named(bystander: RunningApi) -> None:
    order = order_of()
    del order["commit_sha"]
    sentence = "commit_sha is missing, and must be sent."
    _check(await bystander.http.post(IMAGES, json=order), ["body", "commit_sha"], sentence)


async def test_several_wrong_values_are_counted_and_each_has_its_sentence(bystander: RunningApi) -> None:
    problem = (await bystander.http.post(IMAGES, json={"repo": 1, "tag": "v1", "image_name": "hello"})).json()
    assert problem["detail"] == "repo must be a string. 2 values are wrong: see errors."
    assert [each["msg"] for each in problem["errors"]] == [
        "repo must be a string.",
        "commit_sha is missing, and must be sent.",
    ]


@pytest.mark.parametrize(
    ("path", "name", "sentence"),
    [
        ("?limit=many", "limit", "limit must be an integer from 1 to 1000."),
        ("?limit=0", "limit", "limit must be an integer from 1 to 1000."),
        ("?limit=" + "9" * 5000, "limit", "limit must be an integer from 1 to 1000."),
        ("?status_filter=done", "status_filter", "status_filter must be 'pending', 'building', 'success' or 'failed'."),
        ("/github-tags?repo=a/b&limit=0", "limit", "limit must be an integer, 1 or more."),
        ("/github-tags", "repo", "repo is missing, and must be sent."),
        ("/github-tags?repo=" + "x" * 201, "repo", "repo must have 200 characters at most."),
        ("/1?log_lines=0", "log_lines", "log_lines must be an integer from 1 to 10000."),
        ("/1/log?download=maybe", "download", "download must be true or false."),
        ("/1/log?attempt=x", "attempt", "attempt must be an integer from 1 to 2147483647."),
    ],
)
async def test_a_wrong_parameter_is_named_likewise(bystander: RunningApi, path: str, name: str, sentence: str) -> None:
    _check(await bystander.http.get(IMAGES + path), ["query", name], sentence)


@pytest.mark.parametrize(
    ("body", "loc", "sentence"),
    [
        (b'{"repo": ', ["body", 9], "The body must be JSON; it is wrong at character 9."),
        (b"[]", ["body"], "The body must be a JSON object."),
        (b'"x"', ["body"], "The body must be a JSON object."),
        (b"", ["body"], "The body is missing, and must be sent."),
        (b"\xc3\x28", ["body"], "The body is not JSON in UTF-8."),
    ],
)
async def test_a_body_that_is_no_order_is_told_what_a_body_must_be(
    bystander: RunningApi, body: bytes, loc: list[str | int], sentence: str
) -> None:
    _check(await bystander.http.post(IMAGES, content=body, headers=JSON), loc, sentence)


HALF = "a\ud800"
HALF_CHARACTERS = {"string": HALF, "array": [HALF], "object": {"A": HALF}}


def _with_half_a_character() -> list[dict[str, Any]]:
    """Return a change of an order for each field that holds text, whatever fields there are."""
    changes = []
    for name, described in ImageRequest.model_json_schema()["properties"].items():
        shapes = [shape["type"] for shape in described.get("anyOf", [described])]
        changes += [{name: HALF_CHARACTERS[shape]} for shape in shapes if shape in HALF_CHARACTERS]
    return changes


@pytest.mark.parametrize(
    "change", [*_with_half_a_character(), {"build_args": {HALF: 1}}, {"build_args": {HALF: "x"}}], ids=ascii
)
async def test_what_utf8_cannot_spell_is_refused_like_any_other(bystander: RunningApi, change: dict[str, Any]) -> None:
    body = json.dumps(order_of() | change)  # JSON can spell it, in ASCII
    answer = await bystander.http.post(IMAGES, content=body, headers=JSON)
    problem, (name,) = answer.json(), change
    assert (answer.status_code, problem["code"]) == (422, "request_invalid")
    assert problem["errors"][0]["loc"][:2] == ["body", name]
    assert problem["detail"].endswith(".")


def test_every_field_that_holds_text_is_tried_with_half_a_character() -> None:
    tried = {name for change in _with_half_a_character() for name in change}
    assert set(ImageRequest.model_fields) - tried == {"force_rebuild", "priority"}
