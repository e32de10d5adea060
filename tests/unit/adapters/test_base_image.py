"""Why an image is missing is told from the Dockerfile, however much stands in it."""

from pathlib import Path

from activities.adapters.docker.progress.base_image import explained
from activities.context.dockerfile import Dockerfile
from activities.ports.engine import EngineBuildRequest
from tests.support.fakes.engine_facts import NO_FACTS

REQUEST = EngineBuildRequest("id", "tag", Path(), "Dockerfile", {}, {}, None)


def test_of_many_stages_some_are_named_and_the_others_counted() -> None:
    stages = "".join(f"FROM busybox AS stage-{number}\n" for number in range(100))
    copies = "COPY --from=stgae /a /b\n" * 5_000
    told = explained(
        "FROM docker.io/library/stgae:latest", "no such host", Dockerfile(stages + copies), REQUEST, NO_FACTS
    )
    assert told is not None
    assert "no stage named stgae (line 101: COPY --from=stgae; its stages: stage-0, stage-1," in told
    assert "stage-19 and 80 more)" in told
