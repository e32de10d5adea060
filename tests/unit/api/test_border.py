"""What stands between the world and the handlers, each rule by itself."""

import errno
import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from pydantic import TypeAdapter
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from api.border.conditional import check_conditions, is_known, tag_of
from api.border.cursors import cursor_of, place_of
from api.border.problems import install_problem_handlers
from api.health.readiness import cache_word
from api.images.parameters import Wait
from api.server.listener import listen, why_not
from api.version import VERSION
from models.repositories.image.reading import PageKey
from models.rules.errors.request import PreconditionFailed, RequestInvalid
from models.rules.redaction import Redaction


def test_a_cursor_leads_back_to_its_place() -> None:
    place = PageKey(datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC), 42)
    assert place_of(cursor_of(place)) == place


@pytest.mark.parametrize(
    "cursor",
    ["x", "é", "W10", "eyJhIjoxfQ", "WyIyMDI2LTAxLTAyIiwxXQ", "=" * 8, "A" * 500, "WyJub3ciLDFd", "bnVsbA"],
)
def test_a_cursor_of_nobodys_making_is_refused(cursor: str) -> None:
    with pytest.raises(RequestInvalid):
        place_of(cursor)


BODY = b"{}"
TAG = tag_of(BODY)
WEAK = f"W/{TAG}"


def _headers(name: str, *lines: str) -> Headers:
    return Headers(raw=[(name.encode(), line.encode()) for line in lines])


@pytest.mark.parametrize(
    "lines",
    [
        (TAG,),
        (WEAK,),
        (f'"b", {TAG}',),
        ("*",),
        (f'W/"b" ,{WEAK}',),
        ('"b"', TAG),
        (TAG, '"b"'),
        (f'"b,c",{TAG}',),
        (" * ",),
    ],
)
def test_an_etag_that_was_seen_is_known_on_whichever_line(lines: tuple[str, ...]) -> None:
    assert is_known(_headers("if-none-match", *lines), TAG)


@pytest.mark.parametrize(
    "lines", [('"b"',), (TAG.strip('"'),), ("",), (TAG[:-1],), (f'"b,{TAG[1:]}',), ('"b"', "*"), ("**",), ("w/*",), ()]
)
def test_another_etag_is_not_known(lines: tuple[str, ...]) -> None:
    assert not is_known(_headers("if-none-match", *lines), TAG)


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        *(("if-match", lines) for lines in [(TAG,), ("*",), (f'"b", {TAG}',), ('"b"', TAG), (f"{WEAK}, {TAG}",)]),
        *(("if-none-match", lines) for lines in [('"b"',), ("x",), ('"b"', 'W/"c"')]),
        ("accept", ("*/*",)),
    ],
)
def test_a_write_whose_conditions_hold_is_done(name: str, lines: tuple[str, ...]) -> None:
    check_conditions(_headers(name, *lines), BODY)


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        *(("if-match", lines) for lines in [('"b"',), (WEAK,), ("",), ("x",), ('"b"', 'W/"c"'), ('"b"', "*")]),
        *(("if-none-match", lines) for lines in [(TAG,), (WEAK,), ("*",), ('"b"', TAG)]),
    ],
)
def test_a_write_whose_conditions_do_not_hold_is_refused(name: str, lines: tuple[str, ...]) -> None:
    with pytest.raises(PreconditionFailed):
        check_conditions(_headers(name, *lines), BODY)


def test_the_api_names_the_release_that_the_package_has() -> None:
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]
    assert project["version"] == VERSION


@pytest.mark.parametrize(("age_seconds", "word"), [(0, "ok"), (1, "ok"), (60, "failing"), (-60, "failing")])
def test_an_answer_that_is_older_than_it_may_be_says_that_the_cache_fails(age_seconds: int, word: str) -> None:
    now = datetime(2026, 1, 2, tzinfo=UTC)
    assert cache_word(now - timedelta(seconds=age_seconds), now) == word


@pytest.mark.parametrize(("wanted", "given"), [("0", 0), ("300", 300), ("301", 300), ("600", 300), ("9" * 30, 300)])
def test_nobody_waits_for_longer_than_five_minutes(wanted: str, given: int) -> None:
    assert TypeAdapter[int](Wait).validate_python(wanted) == given


async def test_methods_that_a_path_takes_are_told_in_alphabetical_order_whoever_serves_it() -> None:
    async def frameworks_own(scope: Scope, receive: Receive, send: Send) -> None:
        raise HTTPException(405, headers={"Allow": "PUT, HEAD, GET"})  # its order is that of a set

    app = FastAPI()
    app.mount("/page", frameworks_own)
    install_problem_handlers(app, Redaction())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://slipway") as http:
        answer = await http.post("/page/one")
    assert answer.headers["allow"] == "GET, HEAD, PUT"
    assert answer.json()["detail"] == "This path takes no POST; it takes GET, HEAD, PUT."


@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1", "::zz", "a..b"])
def test_a_host_that_is_not_ours_is_told_to_change_the_host(host: str) -> None:
    with pytest.raises(OSError, match="while attempting to bind") as raised:
        listen(host, 0)
    sentence = why_not(raised.value, host, 8080, "SLIPWAY_API_PORT")
    assert sentence.startswith(f"cannot listen on {host}:8080 (")
    assert "SLIPWAY_API_HOST" in sentence
    assert "SLIPWAY_API_PORT" not in sentence


def test_a_port_that_cannot_be_had_is_told_why() -> None:
    with listen("127.0.0.1", 0) as taken, pytest.raises(OSError, match="in use") as raised:
        listen("127.0.0.1", taken.getsockname()[1])
    in_use = why_not(raised.value, "127.0.0.1", 8080, "SLIPWAY_API_PORT")
    assert in_use == "cannot listen on 127.0.0.1:8080: it is in use; set SLIPWAY_API_PORT to a free port"
    refused = why_not(PermissionError(errno.EACCES, "Permission denied"), "127.0.0.1", 80, "SLIPWAY_API_EXTRA_PORT")
    assert "may not take it; set SLIPWAY_API_EXTRA_PORT to a port above 1023" in refused
