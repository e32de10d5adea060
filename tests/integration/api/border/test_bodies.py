"""Of which kind a body may be, and what is told of one that is of another."""

import gzip
import json
from collections.abc import AsyncIterator

import pytest

from tests.support.servers.api_server import RunningApi, order_of
from tests.support.servers.raw_http import raw_exchange

IMAGES = "/api/v1/images"
KEY = {"Idempotency-Key": "order-1"}
OBJECT_WANTED = "Send the body as a JSON object, with the header Content-Type: application/json."
NOT_ENCODED = "The body is compressed or encoded (Content-Encoding), which is not taken here; send it as it is."
BODY = json.dumps(order_of()).encode()


@pytest.mark.parametrize(
    "kind",
    [
        *(
            "application/json",
            "application/json; charset=utf-8",
            "APPLICATION/JSON",
            "application/json;charset=latin-1",
        ),
        *(
            "application/vnd.slipway.order+json",
            "application/merge-patch+json; v=1",
            "application/ld+JSON",
            "application/json;",
        ),
    ],
)
async def test_json_is_taken_under_each_of_its_names(server: RunningApi, kind: str) -> None:
    assert (await server.http.post(IMAGES, content=BODY, headers={"Content-Type": kind})).status_code == 201


@pytest.mark.parametrize(
    "kind",
    [
        *("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/json", "json"),
        *("application/jsonp", "application/json-seq", "application/xml+json+x", "image/svg+json/x", "*/*", "", ";"),
        *("application/json, text/plain", "application/+json", "text/plain; x=application/json"),
    ],
)
async def test_another_kind_is_415_and_keeps_no_key(server: RunningApi, kind: str) -> None:
    refused = await server.http.post(IMAGES, content=BODY, headers=KEY | {"Content-Type": kind})
    problem = refused.json()
    assert (refused.status_code, problem["code"], problem["detail"]) == (415, "media_type_unsupported", OBJECT_WANTED)
    assert refused.headers["accept"] == "application/json"
    mended = await server.http.post(IMAGES, json=order_of(), headers=KEY)
    assert (mended.status_code, "idempotency-replayed" in mended.headers) == (201, False)


async def test_a_body_that_names_no_kind_or_two_is_415(server: RunningApi) -> None:
    lines = f"POST {IMAGES} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(BODY)}\r\n"
    for kinds in ("", "Content-Type: application/json\r\nContent-Type: text/plain\r\n"):
        answer = await raw_exchange(server.url, (lines + kinds + "\r\n").encode() + BODY)
        assert (answer.status, answer.json()["code"]) == (415, "media_type_unsupported")


async def test_a_body_of_untold_length_is_held_to_the_same(server: RunningApi) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield BODY

    assert (await server.http.post(IMAGES, content=chunks(), headers={"Content-Type": "text/plain"})).status_code == 415
    json_kind = {"Content-Type": "application/json"}
    assert (await server.http.post(IMAGES, content=chunks(), headers=json_kind)).status_code == 201


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "br", "deflate", "identity, gzip", "x-unknown", "zstd"])
async def test_an_encoded_body_is_415_and_keeps_no_key(server: RunningApi, encoding: str) -> None:
    headers = KEY | {"Content-Type": "application/json", "Content-Encoding": encoding}
    refused = await server.http.post(IMAGES, content=gzip.compress(BODY), headers=headers)
    problem = refused.json()
    assert (refused.status_code, problem["code"]) == (415, "content_encoding_unsupported")
    assert problem["detail"] == NOT_ENCODED
    assert refused.headers["accept-encoding"] == "identity"
    mended = await server.http.post(IMAGES, json=order_of(), headers=KEY | {"Content-Encoding": "identity"})
    assert (mended.status_code, "idempotency-replayed" in mended.headers) == (201, False)


async def test_where_there_is_no_body_its_kind_does_not_matter(server: RunningApi) -> None:
    for headers in ({"Content-Type": "text/plain"}, {"Content-Encoding": "gzip"}, {"Content-Length": "000"}):
        missing = await server.http.post(IMAGES, headers=headers)
        assert (missing.status_code, missing.json()["detail"]) == (422, "The body is missing, and must be sent.")
        assert (await server.http.get(IMAGES, headers=headers)).status_code == 200


async def test_a_path_that_reads_no_body_asks_for_no_kind(server: RunningApi) -> None:
    answer = await server.http.request("DELETE", f"{IMAGES}/4711", content=b"x", headers={"Content-Type": "text/plain"})
    assert answer.status_code == 404


async def test_what_is_taken_is_described(server: RunningApi) -> None:
    paths = (await server.http.get("/openapi.json")).json()["paths"]
    with_body = [
        operation for methods in paths.values() for operation in methods.values() if "requestBody" in operation
    ]
    assert with_body
    assert all("415" in operation["responses"] for operation in with_body)
