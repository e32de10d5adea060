"""What the engine gets of a source tree: the folder that was asked for, as a clone holds it."""

from pathlib import Path

import pytest

from models.rules.errors.engine import DockerBuildFailed
from tests.support.engine.engine_images import Workshop

BASE = "FROM busybox:1.36\n"


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
    assert "/missing is not in what the step copies from" in build.error.detail
