import pytest

from activities.context.copy_sources import may_take
from activities.context.dockerfile import Dockerfile


@pytest.mark.parametrize(
    "step",
    [
        "COPY . /app",
        "COPY ./ /app",
        "COPY / /app",
        "COPY a . /app",
        "COPY docker /app",
        "COPY docker/ /app",
        "COPY ./docker/Dockerfile /app",
        'ADD ["a", "docker", "/app"]',
        "COPY --chown=1 . /app",
        "COPY dock* /app",
        "COPY $FOLDER /app",
        "copy . /app",
        "COPY \\\n  . /app",
        "RUN --mount=target=/src make",
        "RUN --mount=type=bind,source=docker,target=/src make",
    ],
)
def test_a_step_that_copies_the_folder_copies_the_dockerfile_in_it(step: str) -> None:
    assert may_take(Dockerfile(f"FROM scratch\n{step}\n"), "docker/Dockerfile")


@pytest.mark.parametrize(
    "step",
    [
        "COPY src /app",
        "COPY docker/entrypoint.sh /app",
        "COPY dock /app",
        "COPY src .",
        "COPY --from=build . /app",
        "RUN --mount=type=cache,target=/var/cache make",
        "RUN --mount=from=build,target=/src make",
        "RUN cp . /app",
        "# COPY . /app",
        "ADD https://example.com/x /app",
        "WORKDIR .",
    ],
)
def test_other_steps_do_not(step: str) -> None:
    assert not may_take(Dockerfile(f"FROM scratch\n{step}\n"), "docker/Dockerfile")
