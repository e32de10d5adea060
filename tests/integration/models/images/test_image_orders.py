import asyncio
from typing import Any
from uuid import UUID

import pytest

from models.postgres.database import Database
from models.repositories.image.orders import ImageOrders
from models.rules.build_lifecycle import BuildStatus, ClaimAnswer, ImageStatus, Wish
from models.rules.errors.request import ImageExists, ImageInUse, ImageNotFound, QueueFull
from tests.support.builds.stored_builds import Ordered, StoredBuilds, view


async def delete(database: Database, image_id: int) -> None:
    async with database.transaction() as session:
        await ImageOrders(session).delete(image_id, "anonymous")


async def outcomes(*attempts: Any) -> list[Any]:
    return await asyncio.gather(*attempts, return_exceptions=True)


# orders


async def test_an_order_is_an_image_a_build_and_a_key_for_delivery(database: Database, builds: StoredBuilds) -> None:
    ordered = await builds.order("docker.io/demo/hello", priority=1, third_party_id="acme")
    seen = await view(database, ordered.image_id)
    assert (seen.image.name, seen.image.name_key) == ("docker.io/demo/hello", "demo/hello")
    assert (seen.image.build_status, seen.image.github_ref) == (ImageStatus.PENDING, "refs/tags/v1")
    assert seen.build.id == seen.image.build_id == ordered.build_id
    assert (seen.build.generation, seen.build.priority, seen.build.status) == (1, 1, BuildStatus.PENDING)
    assert seen.workflow_id == "image-build/demo/hello:v1/1"
    assert (seen.progress, seen.execution, seen.last_lines) == (None, None, None)
    assert await builds.fetch("SELECT kind, id, version FROM dirty_keys") == [
        {"kind": "build", "id": str(ordered.build_id), "version": 1}
    ]
    assert await builds.events(ordered) == ["build.created"]


async def test_of_a_hundred_identical_orders_at_once_one_wins(builds: StoredBuilds) -> None:
    answers = await outcomes(*(builds.order("demo/hello") for _order in range(100)))
    refused = [answer for answer in answers if isinstance(answer, ImageExists)]
    [won] = [answer for answer in answers if isinstance(answer, Ordered)]
    assert len(refused) == 99
    assert {refusal.detail for refusal in refused} == {
        f"demo/hello:v1 is image {won.image_id}, which is pending; wait for its end."
    }
    for table in ("docker_images", "builds", "dirty_keys"):
        assert await builds.fetch(f"SELECT count(*) AS rows FROM {table}") == [{"rows": 1}]


async def test_every_spelling_of_a_name_is_one_image(builds: StoredBuilds) -> None:
    await builds.order("docker.io/library/busybox")
    with pytest.raises(ImageExists):
        await builds.order("busybox")


@pytest.mark.parametrize("force_rebuild", [False, True])
async def test_an_image_that_is_being_built_is_not_ordered_again(builds: StoredBuilds, *, force_rebuild: bool) -> None:
    build = await builds.running("demo/hello")
    with pytest.raises(ImageExists, match=f"image {build.image_id}, which is building; wait for its end.$"):
        await builds.order("demo/hello", force_rebuild=force_rebuild)


async def test_a_success_is_ordered_again_only_by_force(database: Database, builds: StoredBuilds) -> None:
    first = await builds.succeeded("demo/hello")
    with pytest.raises(ImageExists, match="send force_rebuild"):
        await builds.order("demo/hello")
    second = await builds.order("demo/hello", force_rebuild=True)
    assert (second.image_id, second.generation) == (first.image_id, 2)
    assert second.build_id != first.build_id
    image = (await view(database, first.image_id)).image
    assert (image.build_status, image.built_at, image.docker_image_id, image.image_uri, image.size_bytes) == (
        ImageStatus.PENDING,
        None,
        None,
        None,
        None,
    )
    assert (await builds.row(first.build_id)).status == BuildStatus.SUCCEEDED


async def test_a_failed_image_is_ordered_again_as_the_next_generation(database: Database, builds: StoredBuilds) -> None:
    first = await builds.failed("demo/hello")
    before = (await view(database, first.image_id)).image
    second = await builds.order("demo/hello", repo="demo/other", commit_sha="A" * 40)
    after = (await view(database, first.image_id)).image
    assert (second.image_id, second.generation) == (first.image_id, 2)
    assert (after.created_at, after.github_repo, after.commit_sha) == (before.created_at, "demo/other", "a" * 40)
    assert (before.build_error, after.build_error) == ("Docker build failed: exit code 1.", None)
    old = await builds.row(first.build_id)
    assert (old.status, old.closed_reason) == (BuildStatus.FAILED, "superseded")
    assert (await builds.claim(first, "run-2")).answer == ClaimAnswer.NOTHING
    dirty = await builds.fetch("SELECT id FROM dirty_keys")
    assert {UUID(key["id"]) for key in dirty} == {first.build_id, second.build_id}  # the parked run is told


async def test_of_many_who_order_a_failed_image_again_one_wins(builds: StoredBuilds) -> None:
    failed = await builds.failed("demo/hello")
    answers = await outcomes(*(builds.order("demo/hello") for _order in range(20)))
    [won] = [answer for answer in answers if isinstance(answer, Ordered)]
    assert (won.image_id, won.generation) == (failed.image_id, 2)
    assert sum(isinstance(answer, ImageExists) for answer in answers) == 19


async def test_a_resume_and_a_new_order_at_once_do_not_block_each_other(builds: StoredBuilds) -> None:
    for _round in range(5):
        failed = await builds.failed()
        order, wish = await outcomes(builds.order(failed.name), builds.wish(failed, Wish.RESUME))
        assert isinstance(wish, bool)
        assert isinstance(order, ImageExists if wish else Ordered)


async def test_a_report_of_a_superseded_build_does_not_show_on_the_image(
    database: Database, builds: StoredBuilds
) -> None:
    first = await builds.failed("demo/hello")
    await builds.order("demo/hello")
    await builds.report(first, BuildStatus.CANCELLED, 40, 3)
    assert (await view(database, first.image_id)).image.build_status == ImageStatus.PENDING


# the queue


async def test_a_full_queue_is_refused_and_says_so(builds: StoredBuilds) -> None:
    for _build in range(3):
        await builds.order(queue_limit=3)
    with pytest.raises(QueueFull, match="3 builds are waiting"):
        await builds.order(queue_limit=3)


async def test_what_builds_already_does_not_count_as_waiting(builds: StoredBuilds) -> None:
    await builds.running(at=40)
    await builds.failed()
    await builds.order(queue_limit=1)
    with pytest.raises(QueueFull):
        await builds.order(queue_limit=1)


async def test_many_orders_at_once_do_not_overfill_the_queue(builds: StoredBuilds) -> None:
    answers = await outcomes(*(builds.order(queue_limit=5) for _order in range(30)))
    assert sum(isinstance(answer, Ordered) for answer in answers) == 5
    assert sum(isinstance(answer, QueueFull) for answer in answers) == 25


async def test_an_order_that_is_refused_leaves_nothing(builds: StoredBuilds) -> None:
    await builds.order(queue_limit=1)
    with pytest.raises(QueueFull):
        await builds.order("demo/refused", queue_limit=1)
    assert await builds.fetch("SELECT count(*) AS rows FROM docker_images") == [{"rows": 1}]


# deleting


@pytest.mark.parametrize("state", ["order", "running"])
async def test_an_image_that_is_pending_or_building_is_not_deleted(
    database: Database, builds: StoredBuilds, state: str
) -> None:
    build: Ordered = await getattr(builds, state)()
    with pytest.raises(ImageInUse, match="cancel its build or wait"):
        await delete(database, build.image_id)


async def test_an_image_that_a_product_uses_is_not_deleted(database: Database, builds: StoredBuilds) -> None:
    build = await builds.succeeded()
    await builds.fetch(
        "INSERT INTO products (name, slug, port, container_port, replicas, status, secret_env, image_id, strategy,"
        " auto_deploy, hold) VALUES ('Shop', 'shop', 9000, 8000, 1, 'running', '[]', :image, 'rolling', false, false)"
        " RETURNING id",
        image=build.image_id,
    )
    with pytest.raises(ImageInUse, match="product 'shop'"):
        await delete(database, build.image_id)


async def test_a_deleted_image_is_gone_and_its_build_stays_closed(database: Database, builds: StoredBuilds) -> None:
    build = await builds.failed()
    await delete(database, build.image_id)
    with pytest.raises(ImageNotFound):
        await view(database, build.image_id)
    row = await builds.row(build.build_id)
    assert (row.closed_reason, row.image_id) == ("image deleted", None)
    assert not await builds.wish(build, Wish.RESUME)
    with pytest.raises(ImageNotFound):
        await delete(database, build.image_id)


async def test_a_deleted_images_next_build_does_not_begin_at_generation_one(
    database: Database, builds: StoredBuilds
) -> None:
    first = await builds.succeeded("demo/hello")
    await delete(database, first.image_id)
    second = await builds.order("demo/hello")
    assert second.generation == 2
    assert second.image_id != first.image_id


async def test_deleting_and_ordering_at_once_end_in_one_image(database: Database, builds: StoredBuilds) -> None:
    failed = await builds.failed("demo/hello")
    answers = await outcomes(
        *(delete(database, failed.image_id) for _delete in range(5)),
        *(builds.order("demo/hello") for _order in range(10)),
    )
    assert not [answer for answer in answers if isinstance(answer, Exception) and not _is_said(answer)]
    assert await builds.fetch("SELECT count(*) AS rows FROM docker_images") == [{"rows": 1}]
    assert sum(isinstance(answer, Ordered) for answer in answers) == 1


def _is_said(error: Exception) -> bool:
    return isinstance(error, ImageExists | ImageInUse | ImageNotFound)
