"""What the engine gets of a source tree: the folder that was asked for, as a clone holds it."""

import os
from pathlib import Path

import pytest

from models.rules.errors.engine import DockerBuildFailed
from tests.support.engine.engine_images import Workshop

BASE = "FROM busybox:1.36\n"
# how an engine stores images has nothing to do with what it is sent
pytestmark = pytest.mark.parametrize("engine_host", ["machine", "next"], indirect=True)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    return folder


async def test_a_file_that_is_missing_is_said_to_be_missing_in_the_folder_that_is_the_context(
    workshop: Workshop, source: Path
) -> None:
    for folder in ("service", "docker"):
        (source / folder).mkdir()
    (source / "extra").touch()
    (source / "docker" / "Dockerfile").write_text(f"{BASE}COPY extra /\n")
    narrow = await workshop.build_in(source, "docker/Dockerfile", "service")
    assert isinstance(narrow.error, DockerBuildFailed)
    assert "/extra is not in the build's context, the folder 'service'" in narrow.error.detail
    assert (await workshop.build_in(source, "docker/Dockerfile", ".")).error is None


async def test_a_file_missing_in_another_stage_is_not_said_to_be_missing_in_the_context(workshop: Workshop) -> None:
    build = await workshop.build(f"FROM busybox:1.36 AS first\n{BASE}COPY --from=first /missing /\n")
    assert isinstance(build.error, DockerBuildFailed)
    assert "/missing is not in first, from which the step takes it" in build.error.detail


LINKS = (
    "/usr/share/zoneinfo/UTC",
    "/Library/Frameworks/",
    "../../../etc/passwd",
    "./not//there/",
    "link-5",  # itself
    "caf\udce9",
    "a\nb",
)


async def test_a_link_stays_what_it_says(workshop: Workshop, source: Path) -> None:
    for number, target in enumerate(LINKS, start=1):
        os.symlink(target, source / f"link-{number}")  # noqa: PTH211 - pathlib would tidy it up
        (source / f"wanted-{number}").write_bytes(os.fsencode(target))
    check = "cd /app; for i in $(seq 7); do readlink -n link-$i >/said; cmp /said wanted-$i || exit 1; done"
    (source / "Dockerfile").write_text(f"{BASE}COPY . /app\nRUN {check}\n")
    build = await workshop.build_in(source, "Dockerfile")
    assert build.error is None, build.log


async def test_names_and_patterns_are_bytes(workshop: Workshop, source: Path) -> None:
    for name in ("Icon\r", "caf\udce9", "café", "a\nb", "left\udcff", "right\udcfe"):
        (source / name).touch()
    (source / ".dockerignore").write_bytes(b"# caf\xe9\nleft\xff\nDockerfile\n")
    names = r"/app/%s\n' .dockerignore Dockerfile $'Icon\r' $'caf\303\251' $'caf\351' $'right\376' $'a\nb' | sort"
    check = f"find /app -type f | sort >/found; printf '{names} | cmp - /found"
    (source / "Dockerfile").write_text(f"{BASE}COPY . /app\nRUN {check}\n")
    build = await workshop.build_in(source, "Dockerfile")
    assert build.error is None, build.log


FIRST_NAMES = {
    "not ASCII": "01-Einführung.md",
    "longer than 100 letters": "0" * 120,
    "a folder longer than 100 letters": "0" * 120 + "/" + "1" * 120 + "/x",
    "begins as bzip2 does": "BZh9",
    "begins as gzip does": "\x1f\udc8b\x08x",
    "begins as xz does": "\udcfd7zXZ",
    "begins as zstd does": "(\udcb5/\udcfd",
    "no UTF-8": "\x01caf\udce9",
    "a line break": "\nx",
    "a carriage return": "Icon\r",
}


@pytest.mark.parametrize("docker", ["plain"], indirect=True)  # only there a tar is sent
@pytest.mark.parametrize("name", FIRST_NAMES.values(), ids=list(FIRST_NAMES))
async def test_whatever_the_first_name_the_context_is_taken_for_one(
    workshop: Workshop, source: Path, name: str
) -> None:
    """The engine looks at the first bytes to tell an archive from a Dockerfile."""
    (source / "app" / name).parent.mkdir(parents=True)
    (source / "app" / name).write_text("found")
    (source / "docker").mkdir()
    (source / "docker" / "Dockerfile").write_text(
        f"{BASE}COPY . /app\nRUN find /app -type f -exec cat {{}} + | grep found\n"
    )
    assert (await workshop.build_in(source, "docker/Dockerfile", "app")).error is None


@pytest.mark.parametrize("docker", ["plain"], indirect=True)
@pytest.mark.parametrize("target", ["t" * 120, "ü" * 60, "/usr/share/" + "ö" * 90], ids=["long", "no ASCII", "both"])
async def test_whatever_the_first_link_says_it_arrives(workshop: Workshop, source: Path, target: str) -> None:
    (source / "00").symlink_to(target)
    (source / "Dockerfile").write_text(f'{BASE}COPY . /app\nRUN test "$(readlink /app/00)" = "{target}"\n')
    assert (await workshop.build_in(source, "Dockerfile")).error is None


IGNORED = {
    "by name": ("Dockerfile", None, "Dockerfile\n"),
    "by an allow list": ("Dockerfile", None, "*\n!wanted\n"),
    "outside of the context": ("Dockerfile", "app", ""),
    "in an ignored folder": ("docker/Dockerfile", ".", "docker\n"),
}


@pytest.mark.parametrize(("dockerfile", "context", "rules"), IGNORED.values(), ids=list(IGNORED))
async def test_a_dockerfile_that_does_not_belong_to_the_context_is_kept_out_or_said_to_be_there(
    workshop: Workshop, source: Path, dockerfile: str, context: str | None, rules: str
) -> None:
    folder = source / (context or ".")
    for place in (folder, (source / dockerfile).parent):
        place.mkdir(exist_ok=True)
    (folder / "wanted").touch()
    (folder / ".dockerignore").write_text(rules)
    (source / dockerfile).write_text(f"{BASE}COPY . /app\nRUN find /app -name '*Dockerfile*' # {workshop.marker}\n")
    build = await workshop.build_in(source, dockerfile, context)
    assert build.error is None
    is_there = b"/app/" in build.log.rpartition(b"RUN find")[2].partition(b"\n")[2]
    assert is_there == bool([notice for notice in build.notices if "Dockerfile" in notice])


async def test_a_change_of_an_ignored_dockerfile_runs_no_step_anew_or_that_is_said(
    workshop: Workshop, source: Path
) -> None:
    (source / ".dockerignore").write_text("Dockerfile\n")
    (source / "marker").write_text(workshop.marker)
    logs = []
    for comment in ("first", "second"):
        (source / "Dockerfile").write_text(f"# {comment}\n{BASE}COPY . /app\n")
        build = await workshop.build_in(source, "Dockerfile")
        assert build.error is None
        logs.append(build.log)
    assert b"COPY . /app\n ---> Using cache" not in logs[0]
    assert (b"COPY . /app\n ---> Using cache" in logs[1]) == (build.notices == ())


async def test_nothing_is_said_of_an_ignored_dockerfile_that_no_step_copies(workshop: Workshop, source: Path) -> None:
    (source / ".dockerignore").write_text("*\n!wanted\n")
    (source / "wanted").touch()
    (source / "Dockerfile").write_text(f"{BASE}COPY wanted /app/\n")
    build = await workshop.build_in(source, "Dockerfile")
    assert (build.error, build.notices) == (None, ())


async def test_nothing_is_said_of_a_dockerfile_that_belongs_to_the_context(workshop: Workshop, source: Path) -> None:
    (source / ".dockerignore").write_text("*\n!Dockerfile\n")
    (source / "Dockerfile").write_text(f"{BASE}COPY . /app\n")
    assert (await workshop.build_in(source, "Dockerfile")).notices == ()


MISLEADING = {
    "a file out": ("../real", "COPY x /app/", "'x' is a link to '../real', which leads out of"),
    "a file out, in a list": (
        "../real",
        'ADD --chown=1 ["x", "/app/"]',
        "'x' is a link to '../real', which leads out of",
    ),
    "a file out, mounted": (
        "../real",
        "RUN --mount=source=x,target=/y true",
        "'x' is a link to '../real', which leads",
    ),
    "an absolute one": ("/etc/hostname", "COPY x /app/", "'x' is a link to '/etc/hostname', which leads out of"),
    "a folder out": (
        "..",
        "COPY ok x/real /app/",
        "'x' is a link to '..', which leads out of the build's context, the",
    ),
    "to nothing": ("./gone", "COPY x /app/", "'x' is a link to './gone', which is not in the build's context, the"),
    "to itself": ("x", "COPY x /app/", "'x' goes round in a circle of links"),
}


@pytest.mark.parametrize(("target", "step", "words"), MISLEADING.values(), ids=list(MISLEADING))
async def test_a_link_that_leads_to_nothing_in_the_context_is_named_where_it_is_copied(
    workshop: Workshop, source: Path, target: str, step: str, words: str
) -> None:
    (source / "sub").mkdir()
    (source / "real").touch()
    (source / "sub" / "ok").touch()
    os.symlink(target, source / "sub" / "x")  # noqa: PTH211 - pathlib would tidy it up
    (source / "sub" / "Dockerfile").write_text(f"{BASE}{step}\n")
    build = await workshop.build_in(source, "sub/Dockerfile")
    assert isinstance(build.error, DockerBuildFailed)
    assert words in build.error.detail
    assert "Step 2/2 : " in build.error.detail


async def test_another_steps_link_is_not_blamed(workshop: Workshop, source: Path) -> None:
    (source / "x").symlink_to("/etc/hostname")
    (source / "Dockerfile").write_text(f"FROM busybox:1.36 AS unused\nCOPY x /\n{BASE}COPY missing /\n")
    build = await workshop.build_in(source, "Dockerfile")
    assert isinstance(build.error, DockerBuildFailed)
    assert "leads out of" not in build.error.detail


MISSING = {
    "nowhere": (
        "COPY gone /",
        "/gone is not in the build's context, the folder 'app' (order another `context` to copy",
    ),
    "ignored": ("COPY secret /", "to copy from elsewhere): .dockerignore leaves it out, at Step 2/2"),
    "in an ignored folder": ("COPY notes/x /", "/notes/x is not in the build's context"),
    "all of it ignored": ("ADD notes /notes/", "): .dockerignore leaves it out, at Step 2/2"),
    "in a submodule": (
        "COPY lib/setup.py /",
        "(It would lie in the submodule 'app/lib', which GitHub's archives leave empty)",
    ),
    "not exported": ("COPY tests /", ".gitattributes, line 1, marks '/app/tests' export-ignore"),
    "above the context": ("COPY ../real /", "/real is not in the build's context, the folder 'app'"),
    "below a file": ("COPY ok/x /", "/ok/x is not in the build's context, the folder 'app'"),
}


@pytest.mark.parametrize(("step", "words"), MISSING.values(), ids=list(MISSING))
async def test_what_a_step_does_not_find_is_named_with_the_reason_as_far_as_it_is_known(
    workshop: Workshop, source: Path, step: str, words: str
) -> None:
    for folder in ("notes", "lib"):
        (source / "app" / folder).mkdir(parents=True)
    for file in ("real", "app/ok", "app/secret", "app/notes/x"):
        (source / file).touch()
    (source / ".gitattributes").write_text("/app/tests export-ignore\n")
    (source / ".gitmodules").write_text('[submodule "lib"]\n\tpath = app/lib\n\turl = ../lib\n')
    (source / "app" / ".dockerignore").write_text("secret\nnotes\n")
    (source / "app" / "Dockerfile").write_text(f"{BASE}{step}\n")
    build = await workshop.build_in(source, "app/Dockerfile")
    assert isinstance(build.error, DockerBuildFailed)
    assert words in build.error.detail
