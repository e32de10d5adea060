"""Values too long, too large or oddly spelled, from callers and from GitHub: a refusal or an answer, never 500."""

import base64
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.servers.api_server import RunningApi, order_of, running_api
from tests.support.servers.canned_upstream import canned_upstream
from tests.support.servers.raw_http import raw_exchange

IMAGES = "/api/v1/images"
JSON = {"Content-Type": "application/json"}
PLAIN_INTEGER = "must be an integer from 1 to 1000."


def _cursor(moment: object, image_id: object = 1) -> str:
    return base64.urlsafe_b64encode(json.dumps([moment, image_id]).encode()).decode().rstrip("=")


def _check_refused(answer: httpx.Response, sentence: str) -> None:
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, "request_invalid")
    assert problem["detail"] == sentence


@pytest.mark.parametrize(
    "cursor",
    [
        _cursor("0001-01-01T00:00:00+14:00"),
        _cursor("9999-12-31T23:59:59-12:00"),
        _cursor("0001-01-01T00:00:00+23:59"),
        _cursor("2026-01-01"),
        _cursor(2026),
        _cursor("2026-01-01T00:00:00+00:00", 10**60),
        _cursor("2026-01-01T00:00:00+00:00", True),
        _cursor("2026-01-01T00:00:00+00:00", 1e300),
    ],
)
async def test_a_cursor_of_moments_that_no_calendar_has_is_refused(bystander: RunningApi, cursor: str) -> None:
    answer = await bystander.http.get(IMAGES, params={"cursor": cursor})
    _check_refused(answer, "cursor is not one that a list gave; begin again without it.")


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+00:00", "9999-12-31T23:59:59.999999+00:00"])
async def test_a_cursor_at_the_calendars_ends_is_a_place_like_any_other(bystander: RunningApi, moment: str) -> None:
    assert (await bystander.http.get(IMAGES, params={"cursor": _cursor(moment)})).json() == []


ODD_DATES = [
    "9999-12-31T23:59:59-12:00",
    "0001-01-01T00:00:00+14:00",
    "10000-01-01T00:00:00Z",
    "-0001-01-01T00:00:00Z",
    1e300,
    10**30,
    "",
    None,
]
ODD_TAGS = [
    "9" * 5000,
    "v1." + "0" * 4999 + "1",
    "release-" + "7" * 4301,
    "1!" + "2" * 4301 + ".0",
    "v1.0rc" + "5" * 4400,
    "a-" * 3000,
    "@a.b/" * 2000 + "~",
]


def _commit(sha: str, date: object) -> dict[str, Any]:
    signed = {"name": "Ada", "date": date}
    return {"sha": sha, "commit": {"author": signed, "committer": signed, "message": "words"}}


async def test_github_may_send_dates_and_tags_beyond_all_bounds(database_url: str, tmp_path: Path) -> None:
    names = [*(f"date-{number}" for number in range(len(ODD_DATES))), *ODD_TAGS, "v1.0.0"]
    commits = {f"{number:040x}": date for number, date in enumerate(ODD_DATES)}
    fine = "f" * 40
    shas = [*commits, *(fine for _tag in ODD_TAGS), fine]
    tags = [
        {"ref": f"refs/tags/{name}", "object": {"type": "commit", "sha": sha}}
        for name, sha in zip(names, shas, strict=True)
    ]
    repo = "/repos/demo/odd"
    answers = {f"{repo}/commits/{sha}": _commit(sha, date) for sha, date in commits.items()}
    answers[f"{repo}/commits/{fine}"] = _commit(fine, "2026-01-02T10:00:00+02:00")
    async with (
        canned_upstream(answers | {f"{repo}/git/matching-refs/tags/": tags}) as url,
        running_api(database_url, tmp_path, github_url=url) as server,
    ):
        first, again = [await server.http.get(f"{IMAGES}/github-tags?repo=demo/odd") for _time in range(2)]
    assert first.status_code == 200, first.text
    assert again.json() == first.json(), "what is kept reads the same"
    shown = {tag["name"]: tag["commit"] for tag in first.json()["tags"]}
    assert set(shown) == set(names)
    assert shown["v1.0.0"]["date"] == "2026-01-02T08:00:00Z"
    for number in range(len(ODD_DATES)):
        commit = shown[f"date-{number}"]
        assert (commit["date"], commit["author"], commit["message"]) == (None, "Ada", "words"), ODD_DATES[number]


@pytest.mark.parametrize("spelled", ["1_0", "+1", " 1", "1 ", "01", "1.0", "1e2", "\uff11", "0x1", ""])
@pytest.mark.parametrize(
    ("path", "name", "sentence"),
    [
        ("", "limit", f"limit {PLAIN_INTEGER}"),
        ("/1", "log_lines", "log_lines must be an integer from 1 to 10000."),
        ("/1/log", "attempt", "attempt must be an integer from 1 to 2147483647."),
        ("/github-tags?repo=a/b", "limit", "limit must be an integer, 1 or more."),
        ("/1", "wait", "wait must be an integer, 0 or more."),
    ],
)
async def test_a_number_in_a_query_has_one_spelling(
    bystander: RunningApi, spelled: str, path: str, name: str, sentence: str
) -> None:
    answer = await bystander.http.get(f"{IMAGES}{path}", params=httpx.QueryParams({name: spelled}))
    if "?" in path:
        answer = await bystander.http.get(f"{IMAGES}{path}&{httpx.QueryParams({name: spelled})}")
    _check_refused(answer, sentence)


@pytest.mark.parametrize("spelled", ["1_0", "+1", "%201", "01", "1.0", "%EF%BC%91", "-0", "1" * 5000])
async def test_a_number_in_a_path_has_one_spelling(bystander: RunningApi, spelled: str) -> None:
    for tail in ("", "/log", "/log/stream"):
        answer = await bystander.http.get(f"{IMAGES}/{spelled}{tail}")
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["loc"] == ["path", "image_id"]


async def test_an_event_id_has_one_spelling(server: RunningApi) -> None:
    stream = f"{IMAGES}/{(await server.order())['id']}/log/stream"
    for spelled in ("01.5", "1.05", "1_0.5", "+1.5", " 1.5", "1.5 ", "1.-0", "\u0661.5", "1." + "9" * 16, "9" * 5000):
        answer = await server.http.get(stream, params={"last_event_id": spelled})
        assert answer.status_code == 422, spelled
        assert answer.json()["detail"].startswith("Last-Event-ID must be one that this stream gave")


@pytest.mark.parametrize("path", ["94%2F", "94%2f", "94%2Flog", "94%2Flog%2Fstream", "%2F94", "94%252F"])
async def test_an_encoded_slash_is_part_of_a_name_and_parts_no_path(bystander: RunningApi, path: str) -> None:
    answer = await bystander.http.get(f"{IMAGES}/{path}")
    _check_refused(answer, "image_id must be a number in plain digits, such as 7.")


@pytest.mark.parametrize(
    "path",
    ["/api%2Fv1/images", "/api/v1/images%2F", "/api/v1//images", "/api/v1/images//", "//health", "/api/v1/./images"],
)
async def test_a_path_that_is_spelled_otherwise_is_not_there(bystander: RunningApi, path: str) -> None:
    answer = await raw_exchange(bystander.url, f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert (answer.status, answer.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (
            b"[" * 100_000 + b"]" * 100_000,
            "The body is JSON nested too deeply; no request here needs more than a few levels.",
        ),
        (
            b'{"x":' * 50_000 + b"1" + b"}" * 50_000,
            "The body is JSON nested too deeply; no request here needs more than a few levels.",
        ),
        (b'{"priority": ' + b"9" * 5000 + b"}", "The body holds a number of too many digits; send it shorter."),
        (b"9" * 5000, "The body holds a number of too many digits; send it shorter."),
        (b"\x1f\x8b\x08\x00", "The body is not JSON in UTF-8."),
        (json.dumps(order_of()).encode("utf-16"), "The body is not JSON in UTF-8."),
        (json.dumps(order_of()).encode("utf-32-le"), "The body must be JSON; it is wrong at character 1."),
    ],
    ids=["list", "object", "number in an object", "number", "bytes", "utf-16", "utf-32"],
)
async def test_a_body_that_cannot_be_read_is_told_why(bystander: RunningApi, body: bytes, sentence: str) -> None:
    _check_refused(await bystander.http.post(IMAGES, content=body, headers=JSON), sentence)


TOO_LONG = (
    "image_name may have 255 characters at most, where one without a registry counts as 'docker.io/library/…'; this one"
    " has 263."
)
BY_IPV6 = "image_name names its registry by an IPv6 address, which older Docker engines refuse; use a host name."
NO_PORT = "image_name names a port of its registry that is none: 1 to 65535, in plain digits."


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("x" * 245, TOO_LONG), ("[::1]:5000/app", BY_IPV6), ("localhost:65536/app", NO_PORT)],
    ids=["length", "IPv6", "port"],
)
async def test_a_name_that_no_engine_takes_is_refused_before_the_build(
    bystander: RunningApi, name: str, sentence: str
) -> None:
    _check_refused(await bystander.http.post(IMAGES, json=order_of(name)), sentence)


@pytest.mark.parametrize(
    "changes", [{"priority": 1.0}, {"priority": True}, {"priority": "1"}, {"priority": 1e300}], ids=str
)
async def test_a_number_in_a_body_is_a_json_integer(bystander: RunningApi, changes: dict[str, Any]) -> None:
    answer = await bystander.http.post(IMAGES, json=order_of() | changes)
    _check_refused(answer, "priority must be an integer from 1 to 5.")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/github-tags", "GET, HEAD"),
        ("PUT", "/github-tags", "GET, HEAD"),
        ("PATCH", "/github-tags/", "GET, HEAD"),
        ("PUT", "/7", "DELETE, GET, HEAD"),
        ("DELETE", "", "GET, HEAD, POST"),
        ("DELETE", "/7/log", "GET, HEAD"),
        ("POST", "/7/log/stream", "GET, HEAD"),
        ("PUT", "/not-an-id", "DELETE, GET, HEAD"),
    ],
)
async def test_a_method_that_a_path_does_not_take_is_405_and_named_by_the_path_itself(
    bystander: RunningApi, method: str, path: str, allowed: str
) -> None:
    answer = await bystander.http.request(method, IMAGES + path)
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert answer.headers["allow"] == allowed
    assert f"it takes {allowed}." in answer.json()["detail"]
