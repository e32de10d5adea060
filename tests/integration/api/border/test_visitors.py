"""No website reads or drives a Slipway through its visitors' browsers; pages that are configured read, and no more."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from standalone.servers.postgres import EmbeddedPostgres
from tests.support.servers.api_server import RunningApi, order_of, running_api
from tests.support.servers.postgres import fresh_database

IMAGES = "/api/v1/images"
ALLOWED_PAGE = "https://ui.example.com"
NAMED = "slipway.example.com"
FOREIGN = {"Origin": "https://evil.example"}
EVERY_PATH = ["/", IMAGES, f"{IMAGES}/1", f"{IMAGES}/1/log", f"{IMAGES}/1/log/stream", f"{IMAGES}/github-tags?repo=a/b"]
EVERY_PATH += ["/metrics", "/status", "/docs", "/openapi.json", "/static-offline-docs/swagger-ui.css", "/nothing"]


@pytest_asyncio.fixture(scope="module")
async def server(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningApi]:
    folder, named = tmp_path_factory.mktemp("visitors"), (NAMED, "api01:8080")
    async with (
        fresh_database(postgres) as url,
        running_api(url, folder, cors_origins=(ALLOWED_PAGE,), allowed_hosts=named) as running,
    ):
        yield running


def _check_refused(answer: httpx.Response, status: int, code: str) -> None:
    problem = answer.json()
    assert (answer.status_code, problem["status"], problem["code"]) == (status, status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["correlation_id"] == answer.headers["x-correlation-id"]


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8080", "192.168.1.4:8080", "localhost.evil.example", ""]
)
async def test_whatever_is_asked_under_a_foreign_name_is_421(server: RunningApi, host: str) -> None:
    headers = {"Host": host}
    for path in EVERY_PATH:
        for method in ("GET", "HEAD", "OPTIONS"):
            answer = await server.http.request(method, path, headers=headers)
            assert answer.status_code == 421, (method, path)
    refused = await server.http.get(IMAGES, headers=headers)
    _check_refused(refused, 421, "host_unknown")
    assert "SLIPWAY_ALLOWED_HOSTS" in refused.json()["detail"]
    _check_refused(await server.http.post(IMAGES, json=order_of(), headers=headers), 421, "host_unknown")
    _check_refused(await server.http.delete(f"{IMAGES}/1", headers=headers), 421, "host_unknown")
    preflight = headers | {"Origin": ALLOWED_PAGE, "Access-Control-Request-Method": "GET"}
    assert (await server.http.options(IMAGES, headers=preflight)).status_code == 421


@pytest.mark.parametrize("path", ["/health", "/health/", "/health/liveness", "/health/readiness", "/ready", "/ready/"])
async def test_probes_come_by_any_name(server: RunningApi, path: str) -> None:
    headers = {"Host": "pod-7.cluster.internal"}
    assert (await server.http.get(path, headers=headers)).status_code in {200, 503}
    assert (await server.http.head(path, headers=headers)).status_code in {200, 503}
    assert (await server.http.post(path, headers=headers)).status_code == 421


async def test_a_name_that_a_setting_names_is_answered_and_may_write(server: RunningApi) -> None:
    for host in (NAMED, f"{NAMED}:8004", "API01:8080"):
        assert (await server.http.get(IMAGES, headers={"Host": host})).status_code == 200
    own = {"Host": NAMED, "Origin": f"http://{NAMED}", "Sec-Fetch-Site": "same-origin"}
    assert (await server.http.post(IMAGES, json=order_of("named"), headers=own)).status_code == 201
    for headers in ({"Host": "api01"}, {"Host": "api01:8081"}, {"Host": f"x.{NAMED}"}):
        _check_refused(await server.http.get(IMAGES, headers=headers), 421, "host_unknown")
    _check_refused(
        await server.http.post(IMAGES, json=order_of(), headers={"Host": NAMED} | FOREIGN), 403, "cross_origin_write"
    )


@pytest.mark.parametrize(
    "headers",
    [
        FOREIGN,
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": ALLOWED_PAGE},
        {"Origin": ALLOWED_PAGE, "X-API-Key": "of-nobody"},
    ],
    ids=str,
)
async def test_a_website_cannot_start_or_delete_anything(server: RunningApi, headers: dict[str, str]) -> None:
    before = (await server.http.get(IMAGES)).json()
    for answer in (
        await server.http.post(IMAGES, json=order_of(), headers=headers),
        await server.http.post(
            IMAGES, content=json.dumps(order_of()), headers={**headers, "Content-Type": "text/plain"}
        ),
        await server.http.delete(f"{IMAGES}/1", headers=headers),
        await server.http.post("/nothing", headers=headers),
    ):
        _check_refused(answer, 403, "cross_origin_write")
    assert (await server.http.get(IMAGES)).json() == before


async def test_configured_pages_may_read_whatever_is_answered(server: RunningApi) -> None:
    for path in (IMAGES, "/health", "/nothing", f"{IMAGES}/x", f"{IMAGES}?limit=x"):
        answer = await server.http.get(path, headers={"Origin": ALLOWED_PAGE})
        assert answer.headers["access-control-allow-origin"] == ALLOWED_PAGE, path
        assert "etag" in answer.headers["access-control-expose-headers"].lower()
        assert "access-control-allow-credentials" not in answer.headers
        foreign = await server.http.get(path, headers=FOREIGN)
        assert "access-control-allow-origin" not in foreign.headers
        assert "Origin" in foreign.headers["vary"], "a cache must not give one page's answer to another"


async def test_a_defect_is_readable_to_configured_pages_too(database_url: str, tmp_path: Path) -> None:
    async with running_api(database_url, tmp_path, cors_origins=(ALLOWED_PAGE,)) as server:
        async with server.api.given.requests.transaction() as session:
            connection = await session.connection()
            await connection.exec_driver_sql("ALTER TABLE docker_images RENAME TO elsewhere")
        answer = await server.http.get(IMAGES, headers={"Origin": ALLOWED_PAGE})
    assert answer.status_code == 500
    assert answer.headers["access-control-allow-origin"] == ALLOWED_PAGE
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", ""])
@pytest.mark.parametrize("sent", [None, "content-type", "authorization, x-api-key"])
async def test_a_preflight_promises_what_the_request_then_gets(
    server: RunningApi, method: str, sent: str | None
) -> None:
    asked = {"Origin": ALLOWED_PAGE, "Access-Control-Request-Method": method}
    answer = await server.http.options(
        IMAGES, headers=asked | ({"Access-Control-Request-Headers": sent} if sent else {})
    )
    if method in {"GET", "HEAD"}:
        assert answer.status_code == 204
        assert method in answer.headers["access-control-allow-methods"]
        assert answer.headers["access-control-allow-origin"] == ALLOWED_PAGE
        assert answer.headers.get("access-control-allow-headers") == sent
        request = await server.http.request(method, IMAGES, headers={"Origin": ALLOWED_PAGE})
        assert request.status_code == 200
    else:
        _check_refused(answer, 403, "cross_origin_preflight")
        assert "access-control-allow-methods" not in answer.headers
        request = await server.http.request(method or "POST", IMAGES, headers={"Origin": ALLOWED_PAGE}, json=order_of())
        assert request.status_code in {403, 405}
    assert "Access-Control-Request-Method" in answer.headers["vary"]


async def test_a_preflight_of_another_page_is_refused(server: RunningApi) -> None:
    answer = await server.http.options(IMAGES, headers=FOREIGN | {"Access-Control-Request-Method": "GET"})
    _check_refused(answer, 403, "cross_origin_preflight")
    assert "access-control-allow-origin" not in answer.headers


async def test_any_page_may_read_when_all_are_named_but_never_with_a_credential(
    database_url: str, tmp_path: Path
) -> None:
    async with running_api(database_url, tmp_path, cors_origins=("*",)) as server:
        assert (await server.http.get(IMAGES, headers=FOREIGN)).headers["access-control-allow-origin"] == "*"
        for name, value in (("Cookie", "a=b"), ("Authorization", "Bearer x"), ("X-API-Key", "x")):
            answer = await server.http.get(IMAGES, headers=FOREIGN | {name: value})
            assert "access-control-allow-origin" not in answer.headers
        asked = FOREIGN | {"Access-Control-Request-Method": "GET"}
        assert (await server.http.options(IMAGES, headers=asked)).status_code == 204
        asked["Access-Control-Request-Headers"] = "accept, Authorization"
        _check_refused(await server.http.options(IMAGES, headers=asked), 403, "cross_origin_preflight")
        _check_refused(await server.http.post(IMAGES, json=order_of(), headers=FOREIGN), 403, "cross_origin_write")


async def test_without_configured_pages_no_page_is_told_anything(database_url: str, tmp_path: Path) -> None:
    async with running_api(database_url, tmp_path) as server:
        answer = await server.http.options(IMAGES, headers=FOREIGN | {"Access-Control-Request-Method": "GET"})
        assert answer.status_code == 405
        assert not [name for name in answer.headers if name.startswith("access-control-")]


async def test_the_description_says_what_a_foreign_name_is_told(server: RunningApi) -> None:
    paths = (await server.http.get("/openapi.json")).json()["paths"]
    for path, methods in paths.items():
        is_probe = path.startswith("/health") or path == "/ready"
        assert all(("421" in operation["responses"]) is not is_probe for operation in methods.values()), path
