"""A failed build names what is wrong, in words of the Dockerfile's author: on each engine.

No sentence holds a path of the engine's host, and a failure that comes again reads as it did.
"""

from http.server import BaseHTTPRequestHandler

import pytest

from models.rules.errors.engine import DockerBuildFailed
from tests.support.engine.engine_images import Workshop
from tests.support.engine.engines_under_test import EngineUnderTest
from tests.support.engine.near_servers import http_server
from tests.support.engine.told_failures import BASE, stores_alike, told

STAGES = "FROM busybox:1.36 AS build\nRUN true\nFROM busybox:1.36 AS prod\n"


@stores_alike
@pytest.mark.parametrize(
    ("step", "missing"),
    [
        ("COPY target/release/app /app", "/target/release/app"),
        ("COPY ./target/release/app /app", "/target/release/app"),
        ('COPY ["target/release/my app", "/app"]', "/target/release/my app"),
        ("ADD dist/site.tar /", "/dist/site.tar"),
        ("COPY Dockerfile deep/down/file /there/", "/deep/down/file"),
        ("COPY there:not/a /x", "/there:not/a"),
        ('COPY ["not there/a", "/x"]', "/not there/a"),
        ("RUN --mount=type=bind,source=deep/down,target=/x ls /x", "/deep/down"),
    ],
    ids=["copy", "dot", "json", "add", "second", "colon", "space", "mount"],
)
async def test_a_file_that_is_not_in_the_context_is_named_by_its_whole_path(
    workshop: Workshop, step: str, missing: str
) -> None:
    said = await told(workshop, f"{BASE}{step}\n")
    assert said.startswith(f"Docker build failed: {missing} is not in the build's context")
    assert " at Step 2/2 : " in said


@stores_alike
@pytest.mark.parametrize(
    ("step", "missing"),
    [
        ("COPY --from=build /out/app /app", "/out/app"),
        ("COPY --from=build etc/deep/file /app", "/etc/deep/file"),
        ("RUN --mount=type=bind,from=build,source=/nope,target=/x ls /x", "/nope"),
    ],
    ids=["copy", "relative", "mount"],
)
async def test_a_file_that_is_not_in_another_stage_is_not_blamed_on_the_context(
    workshop: Workshop, step: str, missing: str
) -> None:
    said = await told(workshop, f"{STAGES}{step}\n")
    assert f"{missing} is not in build, from which the step takes it" in said
    assert ".dockerignore" not in said


@stores_alike
@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ("RUN echo x >/f\nWORKDIR /f\n", "mkdir /f: not a directory at Step 3/3 : WORKDIR /f"),
        ("RUN echo x >/f\nCOPY Dockerfile /f/x\n", "mkdir /f: not a directory at Step 3/3 : COPY Dockerfile /f/x"),
        ("RUN echo x >/f\nCOPY . /f\n", "cannot copy to non-directory: /f at Step 3/3 : COPY . /f"),
    ],
    ids=["workdir", "copy", "folder"],
)
async def test_paths_in_the_image_are_told_as_they_are_there(workshop: Workshop, steps: str, words: str) -> None:
    assert words in await told(workshop, BASE + steps)


@stores_alike
@pytest.mark.parametrize("status", [404, 403, 500])
async def test_an_address_that_cannot_be_downloaded_is_named(
    workshop: Workshop, docker: EngineUnderTest, status: int
) -> None:
    def refused(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        request.send_header("Content-Length", "0")
        request.end_headers()

    with http_server(docker.url, refused) as port:
        said = await told(workshop, f"{BASE}ADD http://127.0.0.1:{port}/there/app.txt /x\n")
    assert f"http://127.0.0.1:{port}/there/app.txt" in said
    assert str(status) in said


@stores_alike
@pytest.mark.parametrize(
    "source",
    ["http://127.0.0.1:1/app.txt", "https://127.0.0.1:1/owner/name.git", "https://127.0.0.1:1/file?version=3"],
    ids=["http", "git", "query"],
)
async def test_an_address_that_nobody_serves_is_named(workshop: Workshop, source: str) -> None:
    said = await told(workshop, f"{BASE}RUN true\nADD {source} /x\n")
    assert source in said
    assert "refused" in said or "Couldn't connect" in said


@stores_alike
async def test_names_and_passwords_in_an_address_are_not_told(workshop: Workshop) -> None:
    build = await workshop.build(f"{BASE}ADD http://somebody:hunter22@127.0.0.1:1/app.txt /x\n")
    assert build.error is not None
    reason = build.error.detail.partition(" at Step ")[0]
    assert "127.0.0.1:1/app.txt" in reason
    assert "hunter22" not in reason


@stores_alike
@pytest.mark.parametrize(
    ("line", "where"),
    [
        ("COPY --from=biuld /x /app", "line 4: COPY --from=biuld"),
        ("RUN --mount=from=biuld,target=/x true", "line 4: RUN --mount=…,from=biuld"),
        ("FROM biuld", "line 4: FROM biuld"),
    ],
    ids=["copy", "mount", "from"],
)
async def test_a_stage_that_is_not_there_is_named_with_those_that_are(
    workshop: Workshop, line: str, where: str
) -> None:
    build = await workshop.build(f"{STAGES}{line}\n")
    assert isinstance(build.error, DockerBuildFailed)
    assert f"no stage named biuld ({where}; its stages: build, prod)" in build.error.detail
    assert "biuld:latest is not on the engine" in build.error.detail


@stores_alike
@pytest.mark.parametrize(
    ("dockerfile", "target", "words"),
    [
        (STAGES, "prdo", "no stage named prdo (its stages: build, prod); give another target"),
        (BASE, "prod", "no stage named prod (no stage has a name); give another target"),
        (f"{STAGES}COPY --from=7 /x /x\n", None, "no stage 7 (line 4: COPY): its stages are numbered 0 to 1"),
    ],
    ids=["target", "no-names", "number"],
)
async def test_other_ways_to_miss_a_stage_name_those_that_are_there(
    workshop: Workshop, dockerfile: str, target: str | None, words: str
) -> None:
    assert words in await told(workshop, dockerfile, {"target": target} if target else {})


@stores_alike
async def test_a_stage_that_stands_below_what_needs_it_is_told_so(workshop: Workshop) -> None:
    build = await workshop.build("FROM later AS first\nFROM busybox:1.36 AS later\n", target="first")
    assert isinstance(build.error, DockerBuildFailed)
    assert "the stage later is defined only below what needs it (line 1: FROM later)" in build.error.detail
