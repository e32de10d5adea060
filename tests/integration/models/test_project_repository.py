"""How an order spells its project."""

from uuid import UUID

import pytest
import pytest_asyncio

from models.postgres.database import Database
from models.rules.errors.request import RequestInvalid
from models.tables.project import Project
from tests.support.builds.stored_builds import StoredBuilds


@pytest_asyncio.fixture
async def projects(database: Database) -> dict[str, UUID]:
    """Ids by slug; one project bears the slug of another as its name, and one is not active."""
    rows = [
        Project(name="green", slug="blue-2"),
        Project(name="The green one", slug="green"),
        Project(name="The grey one", slug="grey", is_active=False),
        Project(name="grey", slug="black"),
    ]
    ids = {row.slug: row.id for row in rows}
    async with database.transaction() as session:
        session.add_all(rows)
    return ids


@pytest.mark.parametrize(
    ("spelled", "slug"), [("blue-2", "blue-2"), ("The green one", "green"), ("green", "green"), ("black", "black")]
)
async def test_a_project_may_be_spelled_by_its_slug_or_name_and_the_slug_comes_first(
    builds: StoredBuilds, projects: dict[str, UUID], spelled: str, slug: str
) -> None:
    ordered = await builds.order(project=spelled)
    assert (await builds.row(ordered.build_id)).project_id == projects[slug]


async def test_a_project_may_be_spelled_by_its_uuid(builds: StoredBuilds, projects: dict[str, UUID]) -> None:
    for spelled in (str(projects["green"]), str(projects["green"]).upper(), projects["green"].hex):
        ordered = await builds.order(project=spelled)
        assert (await builds.row(ordered.build_id)).project_id == projects["green"]


@pytest.mark.parametrize("unknown", ["7b9d5c36-4ac5-4dcb-8a8a-3a0d1d0b7c11", "nobody", "GREEN", "", "gr%", "'"])
async def test_an_unknown_project_is_refused(builds: StoredBuilds, projects: dict[str, UUID], unknown: str) -> None:
    with pytest.raises(RequestInvalid, match=f"there is no project '{unknown}'") as refusal:
        await builds.order(project=unknown)
    assert refusal.value.field == "project_id"


async def test_a_project_that_is_not_active_is_refused_however_it_is_spelled(
    builds: StoredBuilds, projects: dict[str, UUID]
) -> None:
    for spelled in ("grey", "The grey one", str(projects["grey"])):
        with pytest.raises(RequestInvalid, match=f"project '{spelled}' is not active"):
            await builds.order(project=spelled)
