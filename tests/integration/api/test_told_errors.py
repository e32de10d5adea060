"""What others say of a failure stands in answers without any value that the settings keep secret."""

import json
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from models.rules.redaction import Redaction
from tests.support.engine.engines_under_test import MACHINE_ENGINE_URL
from tests.support.engine.near_servers import http_server
from tests.support.servers.api_server import FakeRuns, running_api

SECRET = "s3cr3t-of-the-api-0123456789-abcdef"


@pytest.mark.parametrize("status", [401, 403, 500])
async def test_a_refusal_repeats_no_secret_of_github(database_url: str, tmp_path: Path, status: int) -> None:
    def refuse(request: BaseHTTPRequestHandler) -> None:
        body = json.dumps({"message": f"no {SECRET}"}).encode()
        request.send_response(status)
        request.send_header("Content-Type", "application/json")
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    with http_server(MACHINE_ENGINE_URL, refuse) as port:
        github = f"http://127.0.0.1:{port}"
        async with running_api(database_url, tmp_path, github_url=github, redaction=Redaction([SECRET])) as server:
            answer = await server.http.get("/api/v1/images/github-tags", params={"repo": "demo/hello"})
    assert answer.status_code == 502
    assert 'GitHub says: "no ******"' in answer.json()["detail"]
    assert SECRET[:8] not in answer.text


async def test_readiness_tells_no_secret(database_url: str, tmp_path: Path) -> None:
    runs = FakeRuns()
    async with running_api(database_url, tmp_path, runs=runs, redaction=Redaction([SECRET])) as server:
        runs.is_down, runs.complaint = True, f"{'x' * 1990}{SECRET}"
        answer = await server.http.get("/ready")
    assert answer.status_code == 503
    assert SECRET[:8] not in answer.text
    (temporal,) = [part for part in answer.json()["components"] if part["name"] == "temporal"]
    assert len(temporal["details"]) <= 2000
