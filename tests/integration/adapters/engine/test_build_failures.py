"""A failed build names what is wrong, in words of the Dockerfile's author: on each engine.

No sentence holds a path of the engine's host, and a failure that comes again reads as it did.
"""

import io
import re
import tarfile
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from docker import APIClient

from models.rules.errors.engine import DockerBuildFailed
from tests.support.engine.engine_images import Choices, Workshop
from tests.support.engine.engines_under_test import EngineUnderTest
from tests.support.engine.near_servers import http_server

BASE = "FROM busybox:1.36\n"
STAGES = "FROM busybox:1.36 AS build\nRUN true\nFROM busybox:1.36 AS prod\n"
NO_DETAIL = re.compile(r"/var/lib|overlay2|snapshots/|buildkit-mount|/docker/|slipway-engine-|[0-9a-f]{8}-[0-9a-f]{4}-")


async def told(workshop: Workshop, dockerfile: str, choices: Choices | None = None) -> str:
    """Build twice and return what was said, which must be the same both times."""
    said = []
    for _time in range(2):
        build = await workshop.build(dockerfile, **(choices or {}))
        assert isinstance(build.error, DockerBuildFailed), build.log
        said.append(build.error.detail)
    assert said[0] == said[1]
    assert not NO_DETAIL.search(said[0])
    return said[0]


# The words depend on the engine's version, and a little on the way, but not on how images are stored.
stores_alike = pytest.mark.parametrize(
    ("engine_host", "docker"), [("machine", "plain"), ("machine", "buildx"), ("next", "buildx")], indirect=True
)


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


@pytest.mark.parametrize("platform", ["linux/arm64", "linux/s390x", "windows/amd64"])
async def test_a_base_image_that_is_there_for_another_platform_is_told_so(
    workshop: Workshop, docker: EngineUnderTest, platform: str
) -> None:
    build = await workshop.build(f"FROM --platform={platform} busybox:1.36\nRUN true\n")
    if docker.takes_any_platform:
        assert build.outcome is not None
        return
    assert isinstance(build.error, DockerBuildFailed)
    assert f"busybox:1.36 is on the engine for linux/amd64 only, and line 1 asks for {platform}" in build.error.detail


async def test_a_base_image_that_is_there_for_a_foreign_platform_only_is_taken_or_told_so(
    workshop: Workshop, docker: EngineUnderTest
) -> None:
    name = f"localhost:1/foreign-{workshop.marker}"
    import_foreign(docker.url, name)
    workshop.tags.append(f"{name}:1")
    try:
        build = await workshop.build(f"FROM {name}:1\nCOPY Dockerfile /\n")
    finally:
        await workshop.engine.untag(f"{name}:1")
    wanted = "" if build.error is None else f"{name}:1 is on the engine for linux/arm64 only, and the engine's own is"
    assert (build.outcome is not None) != (wanted in str(build.error) and bool(wanted))


@stores_alike
@pytest.mark.parametrize(
    ("dockerfile", "build_args", "words"),
    [
        (BASE, {"BUILDKIT_SYNTAX": "localhost:1/frontend:1"}, "the build argument BUILDKIT_SYNTAX asks for"),
        (
            f"# syntax=localhost:1/other:1\n{BASE}",
            {"BUILDKIT_SYNTAX": "localhost:1/frontend:1"},
            "the build argument BUILDKIT_SYNTAX asks for",
        ),
        (f"# syntax=localhost:1/frontend:1\n{BASE}", {}, "the Dockerfile's `# syntax=` line asks for"),
    ],
    ids=["argument", "argument-and-line", "line"],
)
async def test_whoever_asks_for_a_frontend_is_named(
    workshop: Workshop, dockerfile: str, build_args: dict[str, str], words: str
) -> None:
    said = await told(workshop, dockerfile, {"build_args": build_args})
    assert f"{words} localhost:1/frontend:1, which is not on the engine and could not be pulled" in said
    assert "BUILDKIT_SYNTAX" in said or not build_args
    assert said.count("localhost:1/frontend:1") == 1


@stores_alike
@pytest.mark.parametrize(
    ("step", "newer"),
    [
        ("RUN <<EOF\necho hi\nEOF", "heredocs: it takes line 3 of the `<<EOF` that line 2 begins"),
        ("RUN <<EOF\n# nothing\nEOF", "heredocs: it takes line 4 of the `<<EOF` that line 2 begins"),
        ("COPY <<-'TEXT' /x\n\tFROM nowhere at all, my friend\n\tTEXT", "heredocs: it takes line 3 of the `<<TEXT`"),
        ("RUN cat >/x <<ONE\nlabel\nONE", "heredocs: it takes line 3 of the `<<ONE`"),
        ("COPY --link Dockerfile /x", "`COPY --link` (line 2)"),
        ("COPY --exclude=*.md . /x", "`COPY --exclude` (line 2)"),
        ("HEALTHCHECK --start-interval=3s CMD true", "`HEALTHCHECK --start-interval` (line 2)"),
        ("RUN --network=none \\\n  true", "`RUN --network` (line 2)"),
        ("RUN --mount=type=secret,id=x,env=X true", "`env` in `RUN --mount` (line 2)"),
    ],
    ids=["heredoc", "empty", "copy", "redirected", "link", "exclude", "healthcheck", "network", "mount-key"],
)
async def test_what_an_engine_is_too_old_for_is_told_with_its_version(
    workshop: Workshop, step: str, newer: str
) -> None:
    version = (await workshop.engine.info()).version
    build = await workshop.build(f"{BASE}{step}\n")
    if version.startswith("20.10"):
        assert isinstance(build.error, DockerBuildFailed)
        assert f"this engine (Docker {version}) does not know {newer}" in build.error.detail
    else:
        assert build.error is None or "does not know" not in build.error.detail


@stores_alike
@pytest.mark.parametrize("word", ["COPY --chmod=u+x", "ADD --chmod=go-r", "COPY --chmod=755"])
async def test_a_mode_that_an_engine_leaves_out_without_a_word_is_noticed(workshop: Workshop, word: str) -> None:
    version = (await workshop.engine.info()).version
    build = await workshop.start(f"{BASE}{word} Dockerfile /x\n")
    await build.result()
    if version.startswith("20.10") and "755" not in word:
        (notice,) = build.notices
        assert notice.startswith(f"This engine (Docker {version}) does not know `{word}` (line 2) and left the files'")
    else:
        assert build.notices == ()


@stores_alike
async def test_a_git_repository_that_an_engine_takes_for_a_file_is_noticed(
    workshop: Workshop, docker: EngineUnderTest
) -> None:
    def page(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", "5")
        request.end_headers()
        request.wfile.write(b"page\n" if request.command == "GET" else b"")

    version = (await workshop.engine.info()).version
    with http_server(docker.url, page) as port:
        finished = await workshop.finish(build := await workshop.start(f"{BASE}ADD http://127.0.0.1:{port}/a.git /x\n"))
    if version.startswith("20.10"):
        (notice,) = build.notices
        assert "does not know `ADD` of a git repository (line 2)" in notice
    else:
        assert finished.error is not None


@stores_alike
async def test_a_git_repository_that_an_engine_looks_for_in_the_context_is_told(workshop: Workshop) -> None:
    build = await workshop.build(f"{BASE}ADD git@127.0.0.1:owner/name.git /x\n")
    assert isinstance(build.error, DockerBuildFailed)
    assert "git@127.0.0.1:owner/name.git" in build.error.detail
    if (await workshop.engine.info()).version.startswith("20.10"):
        assert "an engine that knows `ADD` of a git repository is needed" in build.error.detail


@stores_alike
async def test_a_flag_that_no_engine_knows_is_not_blamed_on_the_engine(workshop: Workshop) -> None:
    said = await told(workshop, f"{BASE}COPY --recursively . /x\n")
    assert "does not know" not in said
    assert "line 2" in said
    assert "recursively" in said


async def test_what_the_engine_cannot_export_is_told_by_name(workshop: Workshop, docker: EngineUnderTest) -> None:
    tag = f"sha256:{workshop.marker}"
    if docker.takes_any_platform:
        assert (await workshop.build(f"{BASE}ENV A=b\n", tag=tag)).outcome is not None
        return
    said = await told(workshop, f"{BASE}ENV A=b\n", {"tag": tag})
    assert (
        said
        == "Docker build failed: exporting to image: refusing to create an ambiguous tag using digest algorithm as name"
    )


def import_foreign(engine_url: str, name: str) -> None:
    """Bring an image for another platform, which no build made."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        tar.add(Path(__file__), arcname="file")
    client = APIClient(engine_url, version="auto")
    try:
        url = client._url("/images/create")  # type: ignore[attr-defined]  # docker-py knows no platform here
        words = {"fromSrc": "-", "repo": name, "tag": "1", "platform": "linux/arm64"}
        answer = client._post(url, params=words, data=packed.getvalue())  # type: ignore[attr-defined]  # likewise
        answer.raise_for_status()
    finally:
        client.close()
