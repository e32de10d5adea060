"""Whole logs over HTTP: in part, and compressed."""

import zlib
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
import zstandard

from models.repositories.log.days import LogDays
from tests.support.builds.api_builds import ReportingBuilder
from tests.support.servers.api_server import RunningApi

# several pages of what a log may hold
DATA = b"".join(b"line %07d \xff\xe2\x82\xac\n" % number for number in range(40_000))
PLAIN = {"Accept-Encoding": "identity"}
UNSQUEEZED: Mapping[str, Callable[[bytes], bytes]] = {
    "zstd": lambda data: zstandard.ZstdDecompressor().decompressobj().decompress(data),
    "gzip": lambda data: zlib.decompress(data, wbits=31),
}


async def _log(server: RunningApi, builder: ReportingBuilder, data: bytes = DATA) -> str:
    """Return the path of an ended build's log."""
    image = await server.order()
    checkpoint = await builder.claim(image["build_id"])
    attempt = await builder.attempt(checkpoint.build_id)
    for start in range(0, len(data), 300_000):
        await builder.write(attempt, data[start : start + 300_000])
    await builder.end(attempt, "succeeded")
    await builder.succeed(checkpoint)
    return f"/api/v1/images/{image['id']}/log"


async def _raw(http: httpx.AsyncClient, path: str, **headers: str) -> tuple[httpx.Response, bytes]:
    """Return the answer with its bytes as they were sent."""
    async with http.stream(
        "GET", path, headers={name.replace("_", "-"): told for name, told in headers.items()}
    ) as answer:
        return answer, b"".join([chunk async for chunk in answer.aiter_raw()])


@pytest.mark.parametrize(
    ("wanted", "first", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=0-99", 0, 100),
        ("bytes=262100-524300", 262_100, 524_301),
        ("bytes=700000-", 700_000, len(DATA)),
        (f"bytes={len(DATA) - 1}-", len(DATA) - 1, len(DATA)),
        ("bytes=-10", len(DATA) - 10, len(DATA)),
        ("bytes=-99999999", 0, len(DATA)),
        ("bytes=5-99999999999999999999", 5, len(DATA)),
    ],
)
async def test_a_range_is_answered_alone(
    server: RunningApi, builder: ReportingBuilder, wanted: str, first: int, end: int
) -> None:
    path = await _log(server, builder)
    for coding in ("identity", "zstd, gzip"):
        answer, body = await _raw(server.http, path, Range=wanted, Accept_Encoding=coding)
        assert (answer.status_code, body) == (206, DATA[first:end])
        assert answer.headers["content-range"] == f"bytes {first}-{end - 1}/{len(DATA)}"
        assert answer.headers["content-length"] == str(end - first)
        assert answer.headers["accept-ranges"] == "bytes"
        assert "content-encoding" not in answer.headers
    head = await server.http.head(path, headers={"Range": wanted})
    assert (head.status_code, head.content) == (206, b"")
    assert head.headers["content-range"] == answer.headers["content-range"]


@pytest.mark.parametrize(
    "wanted", ["bytes=9-2", "bytes=a-b", "bytes=", "lines=1-2", "bytes=0-1,5-6", "0-5", "bytes=0-" + "9" * 5000]
)
async def test_what_is_no_single_range_of_bytes_is_ignored(
    server: RunningApi, builder: ReportingBuilder, wanted: str
) -> None:
    path = await _log(server, builder, b"short\n")
    answer, body = await _raw(server.http, path, Range=wanted, Accept_Encoding="identity")
    assert (answer.status_code, body) == (200, b"short\n")


@pytest.mark.parametrize("wanted", ["bytes=6-", "bytes=100-200"])
async def test_a_range_behind_the_end_is_416_and_says_how_much_there_is(
    server: RunningApi, builder: ReportingBuilder, wanted: str
) -> None:
    path = await _log(server, builder, b"short\n")
    answer = await server.http.get(path, headers={"Range": wanted})
    assert (answer.status_code, answer.json()["code"]) == (416, "range_not_satisfiable")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["content-range"] == "bytes */6"


async def test_who_follows_a_log_by_ranges_gets_what_was_added(server: RunningApi, builder: ReportingBuilder) -> None:
    image = await server.order()
    checkpoint = await builder.claim(image["build_id"])
    attempt = await builder.attempt(checkpoint.build_id)
    path, read = f"/api/v1/images/{image['id']}/log", b""
    for piece in (b"one\n", b"two\n", b"three\n"):
        await builder.write(attempt, piece)
        added = await server.http.get(path, headers={"Range": f"bytes={len(read)}-"})
        assert (added.status_code, added.content) == (206, piece)
        read += added.content
    assert (await server.http.get(path, headers={"Range": f"bytes={len(read)}-"})).status_code == 416


async def test_a_download_goes_on_only_while_the_log_is_the_same(server: RunningApi, builder: ReportingBuilder) -> None:
    path = await _log(server, builder)
    tag = (await server.http.get(path, headers=PLAIN)).headers["etag"]
    squeezed = (await server.http.get(path, headers={"Accept-Encoding": "gzip"})).headers["etag"]
    same, body = await _raw(server.http, path, Range="bytes=10-19", If_Range=tag)
    assert (same.status_code, body) == (206, DATA[10:20])
    for other in ('"other"', f"W/{tag}", squeezed, "Wed, 21 Oct 2015 07:28:00 GMT", "nonsense", ""):
        answer, body = await _raw(server.http, path, Range="bytes=10-19", If_Range=other)
        assert (answer.status_code, body) == (200, DATA), other
    unchanged = await server.http.get(path, headers=PLAIN | {"Range": "bytes=10-19", "If-None-Match": tag})
    assert unchanged.status_code == 304, "asked before the range: RFC 9110 §13.2.2"


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("zstd", "zstd"),
        ("gzip", "gzip"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("gzip;q=1.0, zstd;q=0.5", "gzip"),
        ("zstd;q=0, gzip", "gzip"),
        ("gzip;q=0", None),
        ("identity, gzip;q=0.5", None),
        ("br", None),
        ("*", None),
        ("", None),
        ("gzip;q=much", None),
    ],
)
async def test_a_log_is_compressed_as_its_reader_likes_it(
    server: RunningApi, builder: ReportingBuilder, accepted: str, coding: str | None
) -> None:
    path = await _log(server, builder)
    plain = await server.http.get(path, headers=PLAIN)
    answer, body = await _raw(server.http, path, Accept_Encoding=accepted)
    assert answer.headers["vary"] == plain.headers["vary"] == "Accept-Encoding"
    assert answer.headers.get("content-encoding") == coding
    assert (UNSQUEEZED[coding](body) if coding else body) == plain.content == DATA
    assert (answer.headers["etag"] == plain.headers["etag"]) == (coding is None), "other bytes, another tag"
    assert coding is None or len(body) < len(DATA) / 3
    again = await server.http.get(path, headers={"Accept-Encoding": accepted, "If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.headers["etag"]) == (304, answer.headers["etag"])
    head = await server.http.head(path, headers={"Accept-Encoding": accepted})
    assert head.headers.get("content-encoding") == coding
    assert ("content-length" in head.headers) == (coding is None)


async def test_the_log_of_a_build_that_wrote_nothing_can_be_compressed(
    server: RunningApi, builder: ReportingBuilder
) -> None:
    path = await _log(server, builder, b"")
    for coding, unsqueeze in UNSQUEEZED.items():
        answer, body = await _raw(server.http, path, Accept_Encoding=coding)
        assert (answer.status_code, unsqueeze(body)) == (200, b"")


async def test_a_range_of_a_log_whose_rows_were_dropped_comes_from_its_object(
    server: RunningApi, builder: ReportingBuilder, tmp_path: Path
) -> None:
    image = await server.order()
    checkpoint = await builder.claim(image["build_id"])
    attempt = await builder.attempt(checkpoint.build_id)
    await builder.write(attempt, DATA[:500_000])
    await builder.end(attempt, "succeeded")
    await builder.succeed(checkpoint)
    squeezed = tmp_path / "log.zst"
    squeezed.write_bytes(zstandard.ZstdCompressor().compress(DATA[:500_000]))
    await server.api.given.store.put_file("logs/x/1.log.zst", squeezed)
    await builder.keep_log(attempt, "logs/x/1.log.zst")
    async with server.api.given.requests.transaction() as session:
        assert await LogDays(session).drop_before(timedelta(days=-2))
    path = f"/api/v1/images/{image['id']}/log"
    answer, body = await _raw(server.http, path, Range="bytes=262000-262400")
    assert (answer.status_code, body) == (206, DATA[262_000:262_401])
    answer, body = await _raw(server.http, path, Accept_Encoding="gzip")
    assert UNSQUEEZED["gzip"](body) == DATA[:500_000]


async def test_a_stream_is_never_compressed_and_so_never_held_back(
    server: RunningApi, builder: ReportingBuilder
) -> None:
    image = await server.order()
    checkpoint = await builder.claim(image["build_id"])
    attempt = await builder.attempt(checkpoint.build_id)
    await builder.write(attempt, b"first\n")
    path, headers = f"/api/v1/images/{image['id']}/log/stream", {"Accept-Encoding": "gzip, zstd"}
    async with server.http.stream("GET", path, headers=headers) as answer:
        assert "content-encoding" not in answer.headers
        assert b"first" in await anext(answer.aiter_raw()), "while the build is still under way"
