"""What every request meets: ids, problems, headers, limits, the rule of origin, and the description."""

import asyncio
import json
import logging
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from models.rules.errors.request import RequestInvalid
from models.rules.image_order import ImageOrder
from standalone.servers.postgres import EmbeddedPostgres
from tests.support.builds.api_builds import ReportingBuilder
from tests.support.eventually import eventually
from tests.support.servers.api_server import RunningApi, order_of, running_api
from tests.support.servers.postgres import fresh_database
from tests.support.servers.raw_http import raw_exchange

IMAGES = "/api/v1/images"


@pytest_asyncio.fixture(scope="module")
async def server(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningApi]:
    async with (
        fresh_database(postgres) as url,
        running_api(url, tmp_path_factory.mktemp("border")) as running,
    ):
        yield running


def _check_problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    problem: dict[str, Any] = answer.json()
    assert answer.status_code == problem["status"] == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["code"] == code
    assert problem["type"].endswith(code)
    assert problem["title"]
    assert problem["detail"].endswith(".")
    assert problem["correlation_id"] == answer.headers["x-correlation-id"]
    assert "Traceback" not in answer.text
    return problem


async def test_a_correlation_id_is_taken_or_made_up_and_echoed(server: RunningApi) -> None:
    given = await server.http.get("/health", headers={"X-Correlation-ID": "ci:build-7"})
    assert given.headers["x-correlation-id"] == "ci:build-7"
    for odd in ("", "two words", "x" * 129, "a/b"):
        answer = await server.http.get("/nothing", headers={"X-Correlation-ID": odd})
        assert re.fullmatch("[0-9a-f]{32}", answer.headers["x-correlation-id"])


async def test_a_path_that_is_not_there_and_a_wrong_method_are_problems(server: RunningApi) -> None:
    _check_problem(await server.http.get("/nothing/here"), 404, "not_found")
    wrong = await server.http.put(IMAGES, json={})
    _check_problem(wrong, 405, "method_not_allowed")
    assert wrong.headers["allow"] == "GET, HEAD, POST"


@pytest.mark.parametrize("body", [b'{"repo": ', b"\xff\xfe", b"[" * 100_000, b"[]", b"null", b'"x"', b"9" * 5000, b""])
async def test_a_body_that_is_no_order_is_422(server: RunningApi, body: bytes) -> None:
    answer = await server.http.post(IMAGES, content=body, headers={"Content-Type": "application/json"})
    problem = _check_problem(answer, 422, "request_invalid")
    assert all(set(error) == {"loc", "msg"} for error in problem["errors"])


async def test_a_refusal_does_not_repeat_what_was_sent(server: RunningApi) -> None:
    secret = "hunter2-is-a-secret"
    answer = await server.http.post(IMAGES, json=order_of(build_args={"A": [secret]}, target=[secret]))
    _check_problem(answer, 422, "request_invalid")
    assert secret not in answer.text


async def test_a_body_of_more_than_16_mebibytes_is_413_however_it_comes(server: RunningApi) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _chunk in range(17):
            yield b" " * 1024 * 1024

    headers = {"Content-Type": "application/json"}
    for content in (b" " * (16 * 1024 * 1024 + 1), chunks()):
        _check_problem(await server.http.post(IMAGES, content=content, headers=headers), 413, "body_too_large")
    most = await server.http.post(IMAGES, content=b" " * 16 * 1024 * 1024, headers=headers)
    _check_problem(most, 422, "request_invalid")


ODD_HEADERS = [
    {},
    {"Content-Type": "text/plain"},
    {"Content-Encoding": "gzip"},
    {"If-Match": '"x"'},
    {"Origin": "null"},
    {"Host": "evil.example"},
    {"Idempotency-Key": "two words"},
    {"Content-Length": "99999999"},
    {"Accept": "image/png"},
    {"Range": "bytes=9-1"},
    {"Upgrade": "websocket", "Connection": "upgrade"},
]


@pytest.mark.parametrize("headers", ODD_HEADERS, ids=str)
async def test_whatever_is_refused_is_refused_by_a_problem(server: RunningApi, headers: dict[str, str]) -> None:
    described = (await server.http.get("/openapi.json")).json()["paths"]
    paths = [path.replace("{image_id}", some) for path in described for some in ("1", "x", "-1", "%00", "9" * 50)]
    paths += ["/nothing", "/api", "/docs", "/static-offline-docs/../x", "/%ff", f"{IMAGES}?limit=x&cursor=%00&tag=%00"]
    lines = "".join(f"{name}: {value}\r\n" for name, value in ({"Host": "localhost"} | headers).items())
    for path in dict.fromkeys(paths):
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW", "get"):
            answer = await raw_exchange(server.url, f"{method} {path} HTTP/1.1\r\n{lines}\r\n")
            is_fine = answer.status < 400 or path in {"/ready", "/status", "/health/readiness"}
            assert answer.status < 500 or is_fine, (method, path)
            assert is_fine or answer.headers["content-type"] == "application/problem+json", (method, path)


async def test_every_answer_keeps_browsers_in_check(server: RunningApi) -> None:
    for path in ("/", IMAGES, "/nothing", "/metrics", "/docs"):
        headers = (await server.http.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "server" not in headers


async def test_the_documentation_needs_nobody_elses_files(server: RunningApi) -> None:
    page = (await server.http.get("/docs")).text
    addresses = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert addresses
    assert "://" not in page
    for address in addresses:
        assert (await server.http.get(address)).is_success


async def test_whatever_can_be_read_answers_head_with_the_same_headers(server: RunningApi) -> None:
    described = (await server.http.get("/openapi.json")).json()["paths"]
    plain = [path for path, methods in described.items() if "get" in methods and "{" not in path]
    for path in [*plain, "/docs", "/docs/oauth2-redirect", "/openapi.json", "/static-offline-docs/swagger-ui.css"]:
        read, head = await server.http.get(path), await server.http.head(path)
        assert (head.status_code, head.content) == (read.status_code, b""), path
        assert head.headers["content-type"] == read.headers["content-type"]


async def test_what_can_only_be_read_says_so_in_one_way(server: RunningApi) -> None:
    for path in ("/docs", "/openapi.json", "/static-offline-docs/swagger-ui.css", "/health"):
        answer = await server.http.put(path)
        problem = _check_problem(answer, 405, "method_not_allowed")
        assert answer.headers["allow"] == "GET, HEAD", path
        assert problem["detail"] == "This path takes no PUT; it takes GET, HEAD."


async def test_the_description_shows_each_path_once_with_its_errors(server: RunningApi) -> None:
    schema = (await server.http.get("/openapi.json")).json()
    assert not [path for path in schema["paths"] if path != "/" and path.endswith("/")]
    assert not [path for path, methods in schema["paths"].items() if "head" in methods]
    order = schema["paths"][IMAGES]["post"]
    assert {"200", "201", "403", "409", "413", "422", "503"} <= set(order["responses"])
    assert list(order["responses"]["409"]["content"]) == ["application/problem+json"]
    shapes = schema["components"]["schemas"]
    assert shapes["ImageRequest"]["examples"]
    assert set(shapes["ImageAnswer"]["examples"][0]) <= set(shapes["ImageAnswer"]["properties"])
    assert "Idempotency-Key" in {parameter["name"] for parameter in order["parameters"]}
    assert "HTTPValidationError" not in json.dumps(schema)
    assert {tag["name"] for tag in schema["tags"]} == {"Images", "Operations"}


async def test_what_answers_304_is_described_so(server: RunningApi) -> None:
    paths = (await server.http.get("/openapi.json")).json()["paths"]
    for path in ("", "/{image_id}", "/{image_id}/log", "/github-tags"):
        assert "304" in paths[IMAGES + path]["get"]["responses"], path


@pytest.mark.parametrize(
    ("largest", "more"),
    [
        ({f"A{number}": "" for number in range(100)}, {"B": ""}),
        ({"A" * 100: ""}, {"B" * 101: ""}),
        ({"A": "x" * 4096}, {"B": "x" * 4097}),
        ({f"A{number:03}": "x" * 4092 for number in range(16)}, {"B": ""}),
    ],
    ids=["100", "100 characters", "4096", "65536"],
)
async def test_the_limits_of_build_args_are_those_that_are_described(
    server: RunningApi, request: pytest.FixtureRequest, largest: dict[str, str], more: dict[str, str]
) -> None:
    shapes = (await server.http.get("/openapi.json")).json()["components"]["schemas"]
    assert request.node.callspec.id in shapes["ImageRequest"]["properties"]["build_args"]["description"]
    ImageOrder(**order_of(build_args=largest))
    with pytest.raises(RequestInvalid, match="build_args"):
        ImageOrder(**order_of(build_args=largest | more))


async def test_a_defect_is_a_problem_that_leads_to_the_log(
    database_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running_api(database_url, tmp_path) as server:
        async with server.api.given.requests.transaction() as session:
            connection = await session.connection()
            await connection.exec_driver_sql("ALTER TABLE docker_images RENAME TO elsewhere")
        with caplog.at_level(logging.CRITICAL, logger="api.border.correlation"):
            answer = await server.http.get(IMAGES, headers={"X-Correlation-ID": "find-me"})
    problem = _check_problem(answer, 500, "internal_error")
    assert "find-me" in problem["detail"]
    assert "docker_images" not in answer.text


async def test_a_browser_is_led_to_the_documentation(server: RunningApi) -> None:
    browser = await server.http.get("/", headers={"Accept": "text/html,*/*"})
    assert (browser.status_code, browser.headers["location"]) == (307, "/docs")
    assert (await server.http.get("/")).json()["status"] == "healthy"


async def test_figures_bear_the_contracts_names(server: RunningApi) -> None:
    await server.http.get(f"{IMAGES}/7")
    await server.http.get("/nothing/at/all")
    figures = (await server.http.get("/metrics")).text
    assert 'api_requests_total{endpoint="/api/v1/images/{image_id}"}' in figures
    assert 'api_requests_total{endpoint="unmatched"}' in figures
    assert 'api_request_duration_seconds_bucket{endpoint="/api/v1/images/{image_id}",le="0.05"}' in figures


async def test_readiness_names_what_is_missing(database_url: str, tmp_path: Path) -> None:
    async with running_api(database_url, tmp_path) as server:

        async def parts() -> dict[str, str]:
            answer = await server.http.get("/ready")
            body = answer.json()
            found = {part["name"]: part["status"] for part in body["components"]}
            is_ready = all(status == "ok" for status in found.values())
            assert answer.status_code == (200 if is_ready else 503)
            assert body["status"] == body["overall"] == body["overall_status"]
            assert body["status"] == ("healthy" if is_ready else "unhealthy")
            assert body["cache"] == "ok"
            return found

        lame = {"database": "ok", "temporal": "ok", "engine": "failing", "workers": "failing"}
        await eventually(parts, lambda found: found == lame)
        builder = ReportingBuilder(server.api.given.requests)
        await builder.register(engine_error="no such file: /var/run/docker.sock")
        await eventually(parts, lambda found: found == {**lame, "workers": "ok"})
        await builder.register()
        await eventually(parts, lambda found: set(found.values()) == {"ok"})
        status = (await server.http.get("/status")).json()
        engine = next(part for part in status["components"] if part["name"] == "engine")
        assert engine["details"].endswith("Docker 20.10.24, builds by buildx 0.29.1")
        assert re.fullmatch("[0-9a-f-]{36}", status["instance"])
        await builder.register(clips_at="200KiB/s")

        async def engine_words() -> str:
            components = (await server.http.get("/ready")).json()["components"]
            return str(next(part["details"] for part in components if part["name"] == "engine"))

        clipping = await eventually(engine_words, lambda words: "clips" in words)
        assert "at 200KiB/s: set BUILDKIT_STEP_LOG_MAX_SPEED and BUILDKIT_STEP_LOG_MAX_SIZE for dockerd" in clipping
        server.runs.is_down = True
        await eventually(parts, lambda found: found["temporal"] == "failing")
        assert (await server.http.get("/health/liveness")).json()["status"] == "healthy"


async def test_what_answers_is_one_process_whoever_asks(server: RunningApi) -> None:
    answers = await asyncio.gather(*(server.http.get("/ready") for _ in range(20)))
    assert len({answer.content for answer in answers}) <= 2, "the answer is kept for a second"
