"""What an engine cannot do, or lacks for a build, is told by name: on each engine."""

import io
import tarfile
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from docker import APIClient

from models.rules.errors.engine import DockerBuildFailed
from tests.support.engine.engine_images import Workshop
from tests.support.engine.engines_under_test import EngineUnderTest
from tests.support.engine.near_servers import http_server
from tests.support.engine.told_failures import BASE, stores_alike, told


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
