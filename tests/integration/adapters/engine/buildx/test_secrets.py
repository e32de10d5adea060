"""Secrets and an SSH agent reach the steps that mount them, and nothing else."""

import socket
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from activities.adapters.docker.buildx.mounts import Mounts
from models.rules.errors.engine import DockerBuildFailed, SecretUnavailable
from tests.support.engine.engine_images import Workshop, open_workshop
from tests.support.engine.engines_under_test import EngineUnderTest
from tests.support.logs import outputs_of

BASE = "FROM busybox:1.36\n"
TOKEN = "npm-0123456789-token"
KEY = "-----BEGIN KEY-----\nfirst-line-of-the-key\nsecond-line-of-the-key\n-----END KEY-----\n"
buildx_only = pytest.mark.parametrize("docker", ["buildx"], indirect=True)


@pytest_asyncio.fixture
async def keeper(docker: EngineUnderTest, tmp_path: Path) -> AsyncIterator[Workshop]:
    """A workshop whose builder has secrets."""
    folder = tmp_path / 'odd, "folder" ${x}'
    folder.mkdir()
    (folder / "npm").write_text(f"{TOKEN}\n")
    (folder / "key").write_text(KEY)
    (folder / "huge").write_bytes(bytes(600_000))
    names = ("npm", "key", "huge", "gone")
    mounts = Mounts({name: folder / name for name in names})
    async with open_workshop(tmp_path, docker.adapter(mounts=mounts)) as opened:
        yield opened


@buildx_only
async def test_a_step_mounts_what_the_order_names_and_its_value_shows_nowhere(keeper: Workshop) -> None:
    mount = "--mount=type=secret,id=npm,required=true --mount=type=secret,id=key"
    said = "wc -c </run/secrets/npm; cat /run/secrets/npm; sed -n 2p /run/secrets/key; cat /run/secrets/key"
    later = "find / -xdev -path '*secrets/*' -type f"
    build = await keeper.build(f"{BASE}RUN {mount} {said} # {keeper.marker}\nRUN {later}\n", secrets=("npm", "key"))
    assert build.error is None
    assert b"\n21\n******\n******\n******" in build.log
    assert not any(secret.encode() in build.log for secret in (TOKEN, *KEY.splitlines()))
    assert outputs_of(build.log)[f"RUN {later}"] == b""


@buildx_only
async def test_a_failing_step_does_not_tell_its_secret(keeper: Workshop) -> None:
    loud = f"RUN --mount=type=secret,id=npm echo {TOKEN} {keeper.marker}; exit 3\n"
    build = await keeper.build(f"{BASE}{loud}", secrets=("npm",))
    assert isinstance(build.error, DockerBuildFailed)
    assert TOKEN not in f"{build.error.detail} {build.error.failing_step}"
    assert TOKEN.encode() not in build.log


@buildx_only
async def test_a_secret_that_the_order_does_not_name_is_not_mounted(keeper: Workshop) -> None:
    build = await keeper.build(f"{BASE}RUN --mount=type=secret,id=npm,required=true true\n", secrets=("key",))
    assert isinstance(build.error, DockerBuildFailed)
    assert "the build was given no secret npm; name it in the order's `secrets`" in build.error.detail


@buildx_only
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("other", "no build secret named other; name its file in SLIPWAY_BUILD_SECRETS"),
        ("gone", "secret gone cannot be read on the builder (No such file or directory)"),
        ("huge", "secret huge is larger than"),
    ],
)
async def test_a_secret_that_the_builder_cannot_give_is_named(keeper: Workshop, name: str, words: str) -> None:
    with pytest.raises(SecretUnavailable) as refusal:
        await keeper.start(BASE, secrets=("npm", name))
    assert words in refusal.value.detail


@pytest.mark.parametrize("docker", ["plain"], indirect=True)
async def test_without_a_session_secrets_are_refused_in_words(keeper: Workshop) -> None:
    with pytest.raises(SecretUnavailable, match="plugin buildx"):
        await keeper.start(BASE, secrets=("npm",))
    build = await keeper.build(f"{BASE}RUN --mount=type=secret,id=npm,required=true true\n")
    assert isinstance(build.error, DockerBuildFailed)
    assert "cannot be mounted here: the builder lacks Docker's plugin buildx" in build.error.detail


@buildx_only
async def test_names_that_a_session_cannot_carry_and_secrets_do_not_go_together(keeper: Workshop) -> None:
    with pytest.raises(SecretUnavailable, match="no Unicode"):
        await keeper.start(BASE, files={"caf\udce9": b""}, secrets=("npm",))


@buildx_only
async def test_an_ssh_agent_is_handed_to_the_steps_that_ask_for_one(docker: EngineUnderTest, tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as agent:
        path = Path(folder) / "agent"
        agent.bind(str(path))
        agent.listen()
        async with open_workshop(tmp_path, docker.adapter(mounts=Mounts(ssh_agent=path))) as workshop:
            asks = f'RUN --mount=type=ssh test -S "$SSH_AUTH_SOCK" && echo found {workshop.marker}\n'
            build = await workshop.build(f"{BASE}{asks}")
        assert build.error is None
        assert f"found {workshop.marker}\n".encode() in build.log
