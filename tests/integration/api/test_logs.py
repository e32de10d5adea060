"""Logs over HTTP: as text, and whole."""

from datetime import timedelta
from pathlib import Path

import pytest
import zstandard

from activities.adapters.object_store.remote import RemoteStore
from models.repositories.log.days import LogDays
from tests.support.builds.api_builds import ReportingBuilder
from tests.support.builds.api_logs import MEBIBYTE, ODD, building_image, built_image, odd_log, whole_log
from tests.support.eventually import eventually
from tests.support.log_reader import read_stream
from tests.support.servers.api_server import RunningApi, running_api

PLAIN = {"Accept-Encoding": "identity"}


async def test_before_the_first_attempt_there_is_no_log(server: RunningApi) -> None:
    image = await server.order()
    assert image["build_log"] is None
    answer = await server.http.get(f"/api/v1/images/{image['id']}/log")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


async def test_the_text_of_an_open_log_grows_by_whole_characters(server: RunningApi, builder: ReportingBuilder) -> None:
    image_id, checkpoint, attempt = await building_image(server, builder)
    await builder.write(attempt, b"one \xe2\x82")
    assert (await server.image(image_id))["build_log"] == "one "
    await builder.write(attempt, b"\xac two \xff\n")
    assert (await server.image(image_id))["build_log"] == "one € two �\n"
    await builder.write(attempt, b"three\nfour\n")
    assert (await server.image(image_id, log_lines=2))["build_log"] == "three\nfour\n"
    await builder.end(attempt, "succeeded")
    await builder.succeed(checkpoint)


async def test_a_long_log_is_shown_from_its_end_behind_a_notice(server: RunningApi, builder: ReportingBuilder) -> None:
    data = b"".join(b"line %07d\n" % number for number in range(100_000))
    image_id, _ = await built_image(server, builder, data)
    notice, _, rest = (await server.image(image_id))["build_log"].partition("\n")
    assert f"/api/v1/images/{image_id}/log" in notice
    assert rest.encode() == data[-MEBIBYTE:]
    assert (await server.image(image_id, log_lines=1))["build_log"] == "line 0099999\n"
    whole = await server.http.get(f"/api/v1/images/{image_id}/log", headers=PLAIN)
    assert whole.content == data
    assert whole.headers["content-length"] == str(len(data))


@pytest.mark.parametrize("lines", [0, 10_001, "all"])
async def test_an_odd_number_of_lines_is_refused(server: RunningApi, lines: object) -> None:
    answer = await server.http.get("/api/v1/images/1", params={"log_lines": str(lines)})
    assert answer.status_code == 422


async def test_every_attempt_has_a_log_that_can_be_downloaded(server: RunningApi, builder: ReportingBuilder) -> None:
    image_id, checkpoint, first = await building_image(server, builder)
    await builder.write(first, ODD)
    second = await builder.attempt(checkpoint.build_id)
    await builder.write(second, b"again\n")
    assert await whole_log(server.http, image_id) == b"again\n"
    assert await whole_log(server.http, image_id, attempt=1) == ODD
    answer = await server.http.get(f"/api/v1/images/{image_id}/log", params={"attempt": 1, "download": "true"})
    assert answer.headers["content-disposition"] == f'attachment; filename="image-{image_id}-attempt-1.log"'
    head = await server.http.head(f"/api/v1/images/{image_id}/log", params={"attempt": 1}, headers=PLAIN)
    assert (head.headers["content-length"], head.content) == (str(len(ODD)), b"")
    missing = await server.http.get(f"/api/v1/images/{image_id}/log", params={"attempt": 3})
    assert (missing.status_code, missing.json()["code"]) == (404, "log_not_found")
    assert (await server.http.get(f"/api/v1/images/{image_id}/log", params={"attempt": 0})).status_code == 422


async def test_a_log_to_which_nothing_was_added_is_304(server: RunningApi, builder: ReportingBuilder) -> None:
    image_id, checkpoint, attempt = await building_image(server, builder)
    path, tags = f"/api/v1/images/{image_id}/log", list[str]()

    async def look() -> str:
        """Return the log's ETag, and see that it answers 304 to itself alone."""
        tag = (await server.http.get(path)).headers["etag"]
        for method in ("GET", "HEAD"):
            same = await server.http.request(method, path, headers={"If-None-Match": tag})
            assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", tag)
            for old in tags:
                assert (await server.http.request(method, path, headers={"If-None-Match": old})).status_code == 200
        return tag

    tags.append(await look())
    await builder.write(attempt, b"one\n")
    tags.append(await look())
    await builder.write(attempt, b"two\n")
    tags.append(await look())
    second = await builder.attempt(checkpoint.build_id)
    await builder.write(second, b"one\ntwo\n")  # as long as the first attempt's
    tags.append(await look())
    first = await server.http.get(path, params={"attempt": 1}, headers={"If-None-Match": tags[2]})
    assert first.status_code == 304
    await builder.end(second, "succeeded")
    await builder.succeed(checkpoint)
    newest = tags.pop()
    assert await look() == newest, "the end adds nothing"


async def test_a_log_whose_rows_were_dropped_is_read_from_its_object(
    server: RunningApi, builder: ReportingBuilder, tmp_path: Path
) -> None:
    data = odd_log(1_500_000)
    image_id, attempt = await built_image(server, builder, data)
    squeezed = tmp_path / "log.zst"
    squeezed.write_bytes(zstandard.ZstdCompressor().compress(data))
    await server.api.given.store.put_file("logs/x/1.log.zst", squeezed)
    await builder.keep_log(attempt, "logs/x/1.log.zst")
    async with server.api.given.requests.transaction() as session:
        assert await LogDays(session).drop_before(timedelta(days=-2))
    assert await whole_log(server.http, image_id) == data
    assert bytes((await read_stream(server.http, image_id)).data) == data
    assert (await server.image(image_id))["build_log"].endswith(data[-1000:].decode(errors="replace")[-300:])


async def test_an_api_elsewhere_reads_a_log_from_the_store_that_all_share(
    builder: ReportingBuilder, database_url: str, tmp_path: Path
) -> None:
    shared, data = f"file://{tmp_path}/shared", odd_log(300_000)
    (tmp_path / "log.zst").write_bytes(zstandard.ZstdCompressor().compress(data))
    await RemoteStore(shared, {}).put_file("logs/x/1.log.zst", tmp_path / "log.zst")  # as a builder host does
    async with running_api(database_url, tmp_path / "elsewhere", store=RemoteStore(shared, {})) as server:
        image_id, attempt = await built_image(server, builder, data)
        await builder.keep_log(attempt, "logs/x/1.log.zst")
        async with server.api.given.requests.transaction() as session:
            assert await LogDays(session).drop_before(timedelta(days=-2))
        assert await whole_log(server.http, image_id) == data
        area = server.api.given.area.path

        async def left() -> list[str]:
            return [path.name for path in area.iterdir()]

        await eventually(left, lambda names: names == [".lock"])  # what was fetched is gone
