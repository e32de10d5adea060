"""What only a session with the engine gives a build, and what the client that opens it must not give away."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from activities.adapters.docker.engine import DockerEngine
from tests.support.engine.engine_images import Workshop
from tests.support.engine.engines_under_test import EngineUnderTest
from tests.support.logs import outputs_of
from tests.support.processes import environment_of, processes_with
from tests.support.waiting import until

BASE = "FROM busybox:1.36\n"
pytestmark = pytest.mark.parametrize("docker", ["buildx"], indirect=True)


async def test_a_dockerfile_that_is_ignored_is_neither_in_the_image_nor_in_the_cache_key(
    workshop: Workshop, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / ".dockerignore").write_text("Dockerfile\n.dockerignore\n")
    (source / "kept").write_text(workshop.marker)
    dockerfile = f"{BASE}COPY . /app\nRUN ls -A /app\n"
    (source / "Dockerfile").write_text(dockerfile)
    first = await workshop.build_in(source, "Dockerfile")
    (source / "Dockerfile").write_text(dockerfile + "# edited\n")
    second = await workshop.build_in(source, "Dockerfile")
    assert outputs_of(first.log)["RUN ls -A /app"] == b"kept\n"
    assert b" : COPY . /app\n ---> Using cache\n" in second.log


ODD_ARGUMENTS = {
    "LD_PRELOAD": "/nothing.so",
    "DOCKER_HOST": "tcp://127.0.0.1:1",
    "BUILDX_BUILDER": "other",
    "HOME": "/elsewhere",
    "TEMPLATE": "${A} $${B} %{ if x } %%{ $$$${C} $",
    "QUOTES": """'"\\` a,b=c""",
    "LETTERS": "ä\u2028\U0001f600",
    "LINES": "one\ntwo\ttab\\n",
    "EMPTY": "",
}


async def test_arguments_reach_the_build_as_they_are_and_nobody_else(workshop: Workshop) -> None:
    arguments: Mapping[str, str] = {**ODD_ARGUMENTS, "TOKEN": f"told-{workshop.marker}"}
    names = "".join(f"ARG {name}\n" for name in arguments)
    show = " ".join(f'"${name}"' for name in arguments)
    build = await workshop.start(f"{BASE}{names}RUN printf '%s|' {show}; sleep 0.5\n", build_args=arguments)
    await until(lambda: b"|" in build.log_path.read_bytes())
    seen = processes_with(f"told-{workshop.marker}")
    log = (await workshop.finish(build)).log
    assert log.endswith(("|".join(arguments.values()) + "|").encode())
    assert seen == []


async def test_labels_reach_the_image_as_they_are(workshop: Workshop) -> None:
    label = "${A} %{B} $${C} 'quoted' \"twice\" ä"
    build = await workshop.build(f"{BASE}RUN true\n", labels={"odd": label})
    assert (await workshop.image(build)).labels["odd"] == label


async def test_the_client_knows_of_the_workers_environment_what_it_is_told(
    docker: EngineUnderTest, tmp_path: Path
) -> None:
    assert docker.buildx is not None
    told = {"HTTPS_PROXY": "http://proxy.test:3128", "DOCKER_HOST": "tcp://elsewhere:1"}
    workshop = Workshop(DockerEngine(docker.url, buildx=docker.buildx, client_environment=told), tmp_path)
    build = await workshop.start(f"{BASE}RUN : {workshop.marker}; sleep 600; true\n")
    client = f"\0test-{Path(build.log_path).parent.name}\0"
    await until(lambda: bool(processes_with(f": {workshop.marker}; sleep")))
    (pid,) = processes_with(client)
    environment = environment_of(pid)
    await build.cancel()
    workshop.engine.close()
    own = {name for name in environment if not name.startswith(("BUILDX_", "DOCKER_"))}
    assert own - {"PWD", "_", "SHLVL", "OLDPWD"} == {"PATH", "HOME", "HTTPS_PROXY"}
    assert environment["HTTPS_PROXY"] == told["HTTPS_PROXY"]
    assert environment["DOCKER_HOST"] == docker.url
    assert environment["HOME"].startswith(str(tmp_path))


async def test_a_build_that_a_session_cannot_carry_says_what_keeps_it_from_one(
    workshop: Workshop, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / ".dockerignore").write_text("Dockerfile\n")
    (source / "caf\udce9").touch()
    (source / "Dockerfile").write_text(f"{BASE}COPY . /app\nRUN ls /app/Dockerfile\n")
    build = await workshop.build_in(source, "Dockerfile")
    assert build.error is None
    (notice,) = build.notices
    assert "if all names, links and ignore rules in the context were Unicode" in notice
