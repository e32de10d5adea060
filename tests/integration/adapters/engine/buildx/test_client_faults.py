"""What becomes of a build whose client misbehaves: real processes, which are no buildx."""

from pathlib import Path

import pytest

from activities.adapters.docker.buildx.plugin import BuildxPlugin
from activities.adapters.docker.engine import DockerEngine
from activities.ports.engine import EngineBuild, EngineBuildRequest
from models.rules.errors.engine import BuildCancelled, EngineRefused, EngineUnreachable
from tests.support.fakes.engine import IMAGE_ID, FakeEngine, fake_engine
from tests.support.processes import processes_with
from tests.support.waiting import until

BEGUN = '{"vertexes":[{"digest":"s","name":"[1/1] RUN loud","started":"2026-11-27T00:00:00Z"}]}'
HELLO = '{"logs":[{"vertex":"s","stream":1,"data":"aGVsbG8K"}]}'


async def start(fake: FakeEngine, folder: Path, script: str) -> EngineBuild:
    client = folder / "client"
    client.write_text(f"#!/bin/sh\nfor said in '{BEGUN}' '{HELLO}'; do echo \"$said\" >&2; done\n{script}\n")
    client.chmod(0o755)
    (folder / "context").mkdir()
    (folder / "work").mkdir()
    request = EngineBuildRequest("id-1", "slipway/attempt:1", folder / "context", "Dockerfile", {}, {}, None)
    return await DockerEngine(fake.url, buildx=BuildxPlugin(client, "0.29.1")).start_build(request, folder / "work")


def silent(_answer: object, _engine: FakeEngine) -> None:
    return


async def test_a_client_that_does_not_hear_is_killed_with_all_that_it_started(tmp_path: Path) -> None:
    with fake_engine(tmp_path, silent) as fake:
        marker = f"of {tmp_path}"
        deaf = f"trap '' TERM INT; sh -c 'trap \"\" TERM; : {marker}; sleep 600; true' & wait; wait"
        build = await start(fake, tmp_path, deaf)
        await until(lambda: bool(processes_with(f": {marker}")) and build.log_size > 0)
        await build.cancel()
        with pytest.raises(BuildCancelled):
            await build.result()
        await until(lambda: not processes_with(f": {marker}"))


@pytest.mark.parametrize("script", ["exit 0", "exit 1", "kill -9 $$", "echo panic >&2; exit 2"])
async def test_a_client_that_ends_without_an_outcome_is_a_lost_build(tmp_path: Path, script: str) -> None:
    with fake_engine(tmp_path, silent) as fake:
        build = await start(fake, tmp_path, script)
        with pytest.raises(EngineUnreachable, match="ended before"):
            await build.result()
        assert build.log_path.read_bytes() == b"Step 1/1 : RUN loud\nhello\n"


STORM = "i=0; while [ $i -lt 400 ]; do echo '{}' >&2; i=$((i+1)); done; "
CANCELED = "echo 'ERROR: failed to receive status: rpc error: code = Canceled desc = context canceled' >&2; exit 1"


async def test_a_log_that_the_engine_lost_is_no_failed_build_when_the_image_is_there(tmp_path: Path) -> None:
    with fake_engine(tmp_path, silent) as fake:
        fake.has_image = True
        build = await start(fake, tmp_path, STORM + CANCELED)
        outcome = await build.result()
        assert outcome.image_id == IMAGE_ID
        assert outcome.log_loss is not None
        assert b"[output lost: " in build.log_path.read_bytes()


async def test_a_log_that_the_engine_lost_without_an_image_is_a_lost_build(tmp_path: Path) -> None:
    with fake_engine(tmp_path, silent) as fake:
        build = await start(fake, tmp_path, STORM + CANCELED)
        with pytest.raises(EngineUnreachable):
            await build.result()


async def test_a_client_that_is_gone_is_told_by_its_path(tmp_path: Path) -> None:
    with fake_engine(tmp_path, silent) as fake:
        (tmp_path / "work").mkdir()
        request = EngineBuildRequest("id-1", "slipway/attempt:1", tmp_path, "Dockerfile", {}, {}, None)
        engine = DockerEngine(fake.url, buildx=BuildxPlugin(tmp_path / "nothing", "0.29.1"))
        with pytest.raises(EngineRefused, match=f"{tmp_path}/nothing is gone"):
            await (await engine.start_build(request, tmp_path / "work")).result()
