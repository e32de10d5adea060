"""What a user is told of builds that wait, fail, or are not quite what he asked for."""

from typing import Any

from tests.support.engine.engines_under_test import MACHINE_ENGINE_URL
from tests.support.engine.near_servers import silent_server
from tests.support.servers.product import Product
from tests.support.servers.sandbox_server import git


async def test_a_silent_registry_is_told_while_it_is_waited_for_and_fails_the_build_by_name(product: Product) -> None:
    with silent_server(MACHINE_ENGINE_URL) as port:
        registry = f"127.0.0.1:{port}"
        commit = product.repository("silent", {"Dockerfile": f"FROM {registry}/app:1\nRUN true\n"})
        image = (await product.order("silent", commit))["id"]

        async def awaits() -> dict[str, Any] | None:
            row = await product.image(image)
            return row if registry in (row["waits_for"] or "") else None

        waiting: dict[str, Any] = await product.until(awaits)
        failed = await product.settled(image)
    assert waiting["build_status"] == "building"
    assert waiting["waits_for"].startswith(
        f"The registry {registry}: nothing has been heard of the image {registry}/app:1"
    )
    assert failed["build_status"] == "failed"
    assert f"the registry {registry} stayed silent for 8 seconds" in failed["build_error"]
    assert failed["waits_for"] is None


async def test_an_annotated_tags_own_id_builds_the_commit_that_it_names_and_says_so(product: Product) -> None:
    commit = product.repository("annotated", {"Dockerfile": f"{product.base}RUN true\n"}, tag="light")
    folder = product.data_dir / "sandbox" / "e2e" / "annotated"
    git(folder, "tag", "--annotate", "--message=a version", "v1", "light")
    own = git(folder, "rev-parse", "v1").strip()
    row = await product.settled((await product.order("annotated", own))["id"])
    assert (row["build_status"], row["commit_sha"]) == ("success", commit)
    (notice,) = row["notices"]
    assert notice.startswith(f"{own} is the id of the annotated tag v1 itself")


async def test_a_failure_names_what_is_wrong_and_what_never_ran(product: Product) -> None:
    never = f"{product.base}RUN sleep 5\nRUN echo never\nCOPY target/release/app /app\n"
    commit = product.repository("missing", {"Dockerfile": never})
    row = await product.settled((await product.order("missing", commit))["id"])
    assert row["build_status"] == "failed"
    assert "/target/release/app is not in the build's context" in row["build_error"]
    assert "buildkit-mount" not in row["build_error"]
    log = (await product.api.get(f"/api/v1/images/{row['id']}/log")).text
    assert "RUN echo never\n ---> Did not run\n" in log
