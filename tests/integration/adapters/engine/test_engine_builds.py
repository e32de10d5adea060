"""The engine builds, fails and names what is wrong, and the adapter tells it as it is."""

from pathlib import Path

import pytest

from activities.adapters.docker.engine import DockerEngine
from models.rules.errors.engine import DockerBuildFailed, EngineRefused, EngineUnreachable, ImageGone
from models.rules.errors.source import DockerfileInvalid
from tests.support.engine.engine_images import LABEL, Workshop

BASE = "FROM busybox:1.36\n"
SECRET = "s3cr3t-0123456789-abcdefghij"
NO_SUCH_IMAGE = "sha256:" + "0" * 64


async def test_the_engine_says_what_it_is(workshop: Workshop) -> None:
    info = await workshop.engine.info()
    assert info.version
    assert info.api_version
    assert not info.honours_limits


async def test_an_engine_that_is_not_there_is_unreachable(tmp_path: Path) -> None:
    with pytest.raises(EngineUnreachable):
        await DockerEngine(f"unix://{tmp_path}/nothing.sock").info()


async def test_a_build_gives_an_image_with_its_labels_arguments_and_target(workshop: Workshop) -> None:
    wanted = f"FROM busybox:1.36 AS wanted\nARG WHAT=nothing\nRUN echo $WHAT {workshop.marker}\n"
    build = await workshop.build(f"{wanted}FROM wanted\nRUN false\n", build_args={"WHAT": "something"}, target="wanted")
    image = await workshop.image(build)
    assert build.outcome is not None
    assert build.outcome.image_id == image.id
    assert build.outcome.log_loss is None
    assert image.labels[LABEL] == workshop.marker
    assert image.tags == (build.tag,)
    assert image.platform.startswith("linux/")
    assert image.size_bytes > 0
    assert image.layers >= 1
    assert f"something {workshop.marker}\n".encode() in build.log


async def test_images_are_found_named_and_unnamed(workshop: Workshop) -> None:
    image = await workshop.image(await workshop.build(BASE))
    second = f"slipway-test/{workshop.marker}:second"
    for _repeat in range(2):
        await workshop.engine.tag(image.id, second)
    named = await workshop.engine.named(LABEL, workshop.marker)
    assert sorted(each.reference for each in named) == sorted([second, *workshop.tags])
    assert {(each.image_id, each.labels[LABEL]) for each in named} == {(image.id, workshop.marker)}
    for _repeat in range(2):
        await workshop.engine.untag(second)
    assert await workshop.engine.image(second) is None
    assert await workshop.engine.image(image.id) is not None
    with pytest.raises(ImageGone):
        await workshop.engine.tag(NO_SUCH_IMAGE, second)


async def test_a_failing_step_is_named_with_its_exit_code(workshop: Workshop) -> None:
    build = await workshop.build(f"{BASE}RUN echo hello {workshop.marker}; exit 7\nRUN echo never\n")
    step = f"Step 2/3 : RUN echo hello {workshop.marker}; exit 7"
    assert isinstance(build.error, DockerBuildFailed)
    assert build.error.detail == f"Docker build failed: exit code 7 at {step}"
    assert (build.error.failing_step, build.error.exit_code) == (step, 7)
    assert build.log.endswith(f"{step}\nhello {workshop.marker}\n".encode())


@pytest.mark.parametrize(
    ("dockerfile", "words"),
    [
        ("FROM localhost:1/missing:1.2\nRUN true\n", "the base image localhost:1/missing:1.2 is not on the engine"),
        (
            f"{BASE}RUNN true\n",
            "Dockerfile cannot be built: dockerfile parse error on line 2: unknown instruction",
        ),
        (
            f"{BASE}COPY missing /\n",
            "/missing is not in the build's context, the top of the repository, at Step 2/2",
        ),
        ("# syntax=localhost:1/frontend:1\nFROM scratch\n", "`# syntax=` line asks for localhost:1/frontend:1"),
        ("ARG WHICH\nFROM $WHICH\n", "base name ($WHICH) should not be blank"),
        (f"{BASE}USER nobody-knows\nRUN true\n", "unable to find user nobody-knows"),
    ],
    ids=["base", "syntax", "copy", "frontend", "argument", "user"],
)
async def test_a_dockerfile_that_cannot_be_built_is_explained(workshop: Workshop, dockerfile: str, words: str) -> None:
    build = await workshop.build(dockerfile)
    assert isinstance(build.error, DockerBuildFailed)
    assert words in build.error.detail
    assert build.error.exit_code is None


async def test_a_target_that_the_dockerfile_lacks_is_named(workshop: Workshop) -> None:
    build = await workshop.build(f"{BASE}RUN true\n", target="nowhere")
    assert isinstance(build.error, DockerBuildFailed)
    assert "no stage named nowhere" in build.error.detail


async def test_what_the_engine_refuses_before_it_builds_is_passed_on(workshop: Workshop) -> None:
    build = await workshop.build(BASE, tag="not+a:valid-tag")
    assert isinstance(build.error, EngineRefused)
    assert "invalid reference format" in build.error.detail


async def test_a_dockerfile_that_is_not_in_the_context_is_named(workshop: Workshop) -> None:
    build = await workshop.build(BASE, dockerfile_path="Missing.dockerfile")
    assert isinstance(build.error, DockerfileInvalid)
    assert "Missing.dockerfile" in build.error.detail
