"""What every container engine does for our activities: each adapter's tests, and the fake's, run all of these."""

import asyncio
from pathlib import Path
from typing import Protocol
from uuid import uuid4

import pytest

from activities.ports.engine import ContainerEngine, EngineBuild, EngineBuildRequest
from models.rules.errors.engine import BuildCancelled, ImageGone

LABEL = "slipway.test.conformance"
NO_SUCH_IMAGE = "sha256:" + "0" * 64


class EngineOnTrial(Protocol):
    """An engine, and builds on it of which a test knows whether they end."""

    @property
    def engine(self) -> ContainerEngine: ...

    def dockerfile(self, *, ends: bool) -> str: ...

    async def let_end(self, build: EngineBuild) -> None:
        """Have a build end that ends, if it does not by itself."""
        ...


class ContainerEngineConformance:
    """Subclasses give the fixture `trial`."""

    @pytest.fixture
    def tag(self) -> str:
        return f"slipway-test/{uuid4().hex}:1"

    async def test_what_is_not_there_is_not_found_and_cannot_be_named(self, trial: EngineOnTrial, tag: str) -> None:
        assert await trial.engine.image(tag) is None
        assert await trial.engine.image(NO_SUCH_IMAGE) is None
        await trial.engine.untag(tag)
        with pytest.raises(ImageGone):
            await trial.engine.tag(NO_SUCH_IMAGE, tag)

    async def test_a_build_leaves_an_image_under_its_name_and_with_its_labels(
        self, trial: EngineOnTrial, tag: str, tmp_path: Path
    ) -> None:
        build = await begun(trial, tag, tmp_path, ends=True)
        await trial.let_end(build)
        outcomes = [await asyncio.wait_for(build.result(), 60) for _wait in range(2)]
        assert outcomes[0] == outcomes[1]
        image = await trial.engine.image(tag)
        assert image is not None
        assert image.id == outcomes[0].image_id
        assert image.labels[LABEL] == tag
        assert tag in image.tags
        assert await trial.engine.image(image.id) == image
        [named] = await trial.engine.named(LABEL, tag)
        assert (named.reference, named.image_id, named.labels[LABEL]) == (tag, image.id, tag)
        assert await trial.engine.named(LABEL, "another") == []
        await trial.engine.untag(tag)

    async def test_a_name_is_given_and_taken_away_however_often_it_is_said(
        self, trial: EngineOnTrial, tag: str, tmp_path: Path
    ) -> None:
        build = await begun(trial, tag, tmp_path, ends=True)
        await trial.let_end(build)
        made = (await asyncio.wait_for(build.result(), 60)).image_id
        second = tag.replace(":1", ":second")
        for _repeat in range(2):
            await trial.engine.tag(made, second)
        named = await trial.engine.image(second)
        assert named is not None
        assert named.id == made
        for name in (second, tag):
            for _repeat in range(2):
                await trial.engine.untag(name)
            assert await trial.engine.image(name) is None

    async def test_a_cancelled_wait_ends_only_the_waiting_and_a_cancel_the_work(
        self, trial: EngineOnTrial, tag: str, tmp_path: Path
    ) -> None:
        build = await begun(trial, tag, tmp_path, ends=False)
        waiting = asyncio.create_task(build.result())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])
        assert waiting.cancelled()
        for _repeat in range(2):
            await asyncio.wait_for(build.cancel(), 30)
        for _wait in range(2):
            with pytest.raises(BuildCancelled):
                await build.result()
        assert await trial.engine.image(tag) is None

    async def test_a_cancel_of_what_has_ended_changes_nothing(
        self, trial: EngineOnTrial, tag: str, tmp_path: Path
    ) -> None:
        build = await begun(trial, tag, tmp_path, ends=True)
        await trial.let_end(build)
        outcome = await asyncio.wait_for(build.result(), 60)
        await build.cancel()
        assert await build.result() == outcome
        assert build.log_size == len(build.log_path.read_bytes())
        await trial.engine.untag(tag)


async def begun(trial: EngineOnTrial, tag: str, folder: Path, *, ends: bool) -> EngineBuild:
    context, work = folder / "context", folder / "work"
    for made in (context, work):
        made.mkdir()
    (context / "Dockerfile").write_text(trial.dockerfile(ends=ends))
    request = EngineBuildRequest(
        engine_build_id=f"test-{uuid4().hex}",
        tag=tag,
        context_dir=context,
        dockerfile="Dockerfile",
        labels={LABEL: tag},
        build_args={},
        target=None,
    )
    return await trial.engine.start_build(request, work)
