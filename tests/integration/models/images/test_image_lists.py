import re
from typing import Any

import pytest
from sqlalchemy import text

from models.postgres.database import Database
from models.repositories.image.orders import ImageOrders
from models.repositories.image.reading import ImageReading, ImageView, PageKey
from models.rules.build_lifecycle import BuildStatus, ImageStatus
from models.rules.image_filter import ImageFilter
from models.rules.image_order import ImageOrder
from tests.support.builds.stored_build_rows import COMMIT
from tests.support.builds.stored_builds import IMAGE_ID, StoredBuilds, view


async def page(database: Database, *, after: PageKey | None = None, limit: int = 10, **wanted: Any) -> list[ImageView]:
    async with database.transaction() as session:
        return await ImageReading(session).page(ImageFilter(**wanted), after, limit)


async def test_a_list_shows_the_newest_first_and_goes_on_behind_a_row(database: Database, builds: StoredBuilds) -> None:
    ordered = [await builds.order() for _build in range(5)]
    newest_first = [build.image_id for build in reversed(ordered)]
    first = await page(database, limit=2)
    last = first[-1].image
    rest = await page(database, after=PageKey(last.created_at, last.id or 0))
    assert [seen.image.id for seen in first + rest] == newest_first


async def test_images_of_one_moment_are_neither_skipped_nor_repeated(database: Database, builds: StoredBuilds) -> None:
    ids = {(await builds.order()).image_id for _build in range(5)}
    await builds.fetch("UPDATE docker_images SET created_at = '2026-01-01T00:00:00Z' RETURNING id")
    seen: list[int] = []
    after = None
    while found := await page(database, after=after, limit=2):
        seen += [row.image.id or 0 for row in found]
        after = PageKey(found[-1].image.created_at, found[-1].image.id or 0)
    assert (sorted(seen), len(seen)) == (sorted(ids), 5)


async def test_a_list_of_one_status_holds_no_other(database: Database, builds: StoredBuilds) -> None:
    made = {
        ImageStatus.PENDING: await builds.order(),
        ImageStatus.BUILDING: await builds.running(),
        ImageStatus.SUCCESS: await builds.succeeded(),
        ImageStatus.FAILED: await builds.failed(),
    }
    for status, build in made.items():
        assert [seen.image.id for seen in await page(database, status=status)] == [build.image_id]


async def test_a_list_by_name_repository_and_tag_holds_no_other(database: Database, builds: StoredBuilds) -> None:
    ordered = {}
    for name, repo, tag in (("a", "demo/x", "v1"), ("a", "demo/x", "v2"), ("b", "demo/X", "v1"), ("c", "demo/y", "v1")):
        order = ImageOrder(repo=repo, tag=tag, commit_sha=COMMIT, image_name=name)
        async with database.transaction() as session:
            ids = await ImageOrders(session).order(order, queue_limit=100, actor="anonymous", correlation_id="")
        ordered[ids[0]] = f"{name}:{tag}"
    asked: list[tuple[dict[str, Any], list[str]]] = [
        ({"name": "a"}, ["a:v2", "a:v1"]),
        ({"name": "docker.io/library/b"}, ["b:v1"]),
        ({"repo": "DEMO/x"}, ["b:v1", "a:v2", "a:v1"]),
        ({"tag": "v1"}, ["c:v1", "b:v1", "a:v1"]),
        ({"tag": "V1"}, []),
        ({"repo": "demo/x", "tag": "v1"}, ["b:v1", "a:v1"]),
        ({"name": "a", "repo": "demo/x", "tag": "v2", "status": ImageStatus.PENDING}, ["a:v2"]),
        ({"name": "a", "status": ImageStatus.FAILED}, []),
    ]
    for wanted, expected in asked:
        assert [ordered[seen.image.id or 0] for seen in await page(database, **wanted)] == expected, wanted


async def test_a_cancelled_build_shows_as_failed(database: Database, builds: StoredBuilds) -> None:
    build = await builds.running()
    await builds.report(build, BuildStatus.CANCELLED, 10, 2)
    [seen] = await page(database, status=ImageStatus.FAILED)
    assert seen.image.id == build.image_id
    assert (seen.image.build_error or "").startswith("Build cancelled")


async def test_a_success_shows_what_was_built(database: Database, builds: StoredBuilds) -> None:
    build = await builds.succeeded("demo/hello")
    image = (await view(database, build.image_id)).image
    assert (image.build_status, image.docker_image_id, image.image_uri) == ("success", IMAGE_ID, "demo/hello:v1")
    assert (image.commit_sha, image.size_bytes) == (COMMIT, 4400000)
    assert image.built_at is not None


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        ({}, "docker_images_newest"),
        ({"status": ImageStatus.BUILDING}, "docker_images_by_status"),
        ({"name": "docker.io/many/7"}, "docker_images_by_name"),
        ({"repo": "Demo/7"}, "docker_images_by_repo"),
        ({"tag": "v7"}, "docker_images_by_tag"),
        ({"repo": "demo/7", "status": ImageStatus.FAILED}, "docker_images_by_repo"),
    ],
    ids=str,
)
async def test_a_page_is_read_along_an_index_and_nothing_is_sorted_for_it(
    database: Database, wanted: dict[str, Any], index: str
) -> None:
    async with database.transaction() as session:
        await session.execute(text(MANY_IMAGES))
        await session.execute(text("ANALYZE docker_images, builds"))
        # a few thousand rows are read whole just as fast; what counts is the way there would be in a million
        await session.execute(text("SET LOCAL enable_seqscan = off"))
        await session.execute(text("SET LOCAL enable_bitmapscan = off"))
        after = PageKey((await session.execute(text("SELECT now() - interval '1 hour'"))).scalar_one(), 5)
        explaining = ExplainingSession(session)
        await ImageReading(explaining).page(ImageFilter(**wanted), after, 100)  # type: ignore[arg-type]
    along = re.search(r"CTE page\n\s+-> +Limit.*\n\s+-> +Index Scan Backward using (\w+) on", explaining.plan)
    assert along is not None, explaining.plan
    assert along[1] == index
    assert "Seq Scan" not in explaining.plan


MANY_IMAGES = """
    WITH numbered AS (
        SELECT number, gen_random_uuid() AS build FROM generate_series(1, 3000) AS number
    ), built AS (
        INSERT INTO builds (id, name, kind, created_by, correlation_id, priority, image_name, image_tag, generation,
            build_args, paused, status, current_state, attempt, completed_at, epoch, seq)
        SELECT build, 'build-' || number, 'image', 'x', '', 3, 'many/' || number, 'v1', 1,
            '{}', false, 'failed', 40, 0, now(), 1, 1 FROM numbered
    )
    INSERT INTO docker_images
        (name, name_key, tag, github_repo, github_ref, commit_sha, build_status, created_at, build_id)
    SELECT 'many/' || number % 60, 'many/' || number % 60, 'v' || number / 60, 'demo/' || number % 50, '', 'abc',
        CASE WHEN number % 50 = 0 THEN 'building' ELSE 'failed' END,
        now() - number * interval '3 seconds', build FROM numbered
"""


class ExplainingSession:
    """Stands before a session, and asks for a statement's plan instead of its rows."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self.plan = ""

    async def execute(self, statement: Any) -> list[Any]:
        compiled = str(statement.compile(dialect=self._session.bind.dialect, compile_kwargs={"literal_binds": True}))
        explained = await self._session.scalars(text("EXPLAIN " + compiled.replace(":", r"\:")))
        self.plan = "\n".join(explained.all())
        return []
