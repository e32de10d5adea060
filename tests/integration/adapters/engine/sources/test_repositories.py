"""Thirty-odd shapes of public repositories, each from GitHub's archive to an image that holds what docker's would."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from activities.context.preparation import prepare_source
from activities.source.archive import inspect_archive
from activities.source.tree import ArchiveLimits
from activities.source.wanted import wanted_for
from tests.support.engine.engine_images import LABEL, Workshop
from tests.support.engine.engines_under_test import MACHINE_ENGINE_URL, EngineUnderTest
from tests.support.engine.image_contents import Content, build_by_reference, contents, remove_image
from tests.support.engine.repositories import REPOSITORIES

LIMITS = ArchiveLimits(max_entries=1_000, max_unpacked_bytes=16 * 1024**2)
Reference = Callable[[str], dict[str, Content]]


@pytest.fixture(scope="session")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Reference:
    """Return what docker's own command line makes of a repository, built once for all engines."""
    known: dict[str, dict[str, Content]] = {}

    def look(name: str) -> dict[str, Content]:
        if name not in known:
            repository, folder = REPOSITORIES[name], tmp_path_factory.mktemp("reference") / "clone"
            repository.clone(folder)
            target = ["--target", repository.target] if repository.target else []
            context = repository.context or str(Path(repository.dockerfile).parent)
            tag = f"slipway-test/{folder.parent.name}:reference"
            build_by_reference(folder, ["--file", repository.dockerfile, *target, context], tag, LABEL)
            known[name] = contents(MACHINE_ENGINE_URL, tag)
            remove_image(MACHINE_ENGINE_URL, tag)
        return known[name]

    return look


@pytest.mark.parametrize("engine_host", ["machine", "next"], indirect=True)
@pytest.mark.parametrize("name", list(REPOSITORIES))
async def test_a_repository_becomes_the_image_that_docker_makes_of_a_clone(
    workshop: Workshop, docker: EngineUnderTest, reference: Reference, tmp_path: Path, name: str
) -> None:
    repository = REPOSITORIES[name]
    clone, archive, into = tmp_path / "clone", tmp_path / "source.tar.gz", tmp_path / "into"
    repository.clone(clone)
    repository.archive(clone, archive)
    inspect_archive(archive, LIMITS, _unwatched, wanted_for(repository.dockerfile, repository.context))
    into.mkdir()
    prepared = prepare_source(
        archive, into, LIMITS, _unwatched, dockerfile_path=repository.dockerfile, context_path=repository.context
    )
    async with asyncio.TaskGroup() as both:
        by_reference = both.create_task(asyncio.to_thread(reference, name))
        build = await workshop.build_from(prepared.context, repository.dockerfile, repository.target)
        assert build.error is None, build.log
        made = await asyncio.to_thread(contents, docker.url, build.tag)
    wanted = by_reference.result()
    if build.notices:  # what could not be kept out, and is said
        extra = {path for path in made.keys() - wanted.keys() if path.endswith("Dockerfile")}
        assert len(extra) == len(build.notices) == 1
        del made[extra.pop()]
    assert made == wanted
    assert len(prepared.notices) == bool(repository.says)
    assert all(repository.says in notice for notice in prepared.notices)


def test_there_are_as_many_repositories_as_were_promised() -> None:
    assert len(REPOSITORIES) >= 30


def _unwatched(_unpacked_bytes: int) -> None:
    pass
