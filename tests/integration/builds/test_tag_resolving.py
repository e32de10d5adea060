"""What commit a tag is held against, with a real look-alike of GitHub."""

from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from temporalio.testing import ActivityEnvironment

from activities.adapters.github.rest import GitHub
from activities.image.tag import TagActivities
from models.postgres.database import Database
from models.rules.build_payloads import StageOutcome
from models.rules.errors.source import CommitMismatch
from tests.support.builds.stored_builds import StoredBuilds, checkpoint
from tests.support.fakes.memory_engine import MemoryEngine
from tests.support.servers.sandbox_server import RunningSandbox, git, make_repository, running_sandbox

REPO = "acme/tagged"


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    with running_sandbox(tmp_path_factory.mktemp("tags") / "sandbox") as running:
        folder = running.root / REPO
        make_repository(folder, {"Dockerfile": "FROM busybox:1.36\n"}, "light")
        git(folder, "tag", "--annotate", "--message=one", "annotated", "light")
        git(folder, "tag", "--annotate", "--message=two", "twice", "annotated")
        yield running


@pytest_asyncio.fixture
async def host(sandbox: RunningSandbox) -> AsyncIterator[GitHub]:
    github = GitHub(sandbox.url, sandbox.token, timedelta(seconds=20))
    yield github
    await github.aclose()


class Resolving:
    """Resolves a tag for a build that asked for a commit."""

    def __init__(self, builds: StoredBuilds, database: Database, host: GitHub, folder: Path) -> None:
        self._builds = builds
        self._database = database
        self._host = host
        self._folder = folder

    def id_of(self, name: str) -> str:
        return git(self._folder, "rev-parse", name)

    async def __call__(self, tag: str, wanted: str) -> StageOutcome:
        build = await self._builds.running(at=10, repo=REPO, tag=tag, commit_sha=wanted)
        activities = TagActivities(self._database, self._host, MemoryEngine(), "an-instance")
        asked = checkpoint(build, code=10).model_copy(update={"repo": REPO, "tag": tag})
        return await ActivityEnvironment().run(activities.resolve_tag, asked)


@pytest.fixture
def resolving(builds: StoredBuilds, database: Database, host: GitHub, sandbox: RunningSandbox) -> Resolving:
    return Resolving(builds, database, host, sandbox.root / REPO)


@pytest.mark.parametrize("tag", ["light", "annotated", "twice"])
async def test_the_commit_that_a_tag_leads_to_is_taken_without_a_word(resolving: Resolving, tag: str) -> None:
    commit = resolving.id_of("light")
    for wanted in (commit, commit[:7], commit.upper()):
        outcome = await resolving(tag, wanted)
        assert outcome.variables == {"commit_sha": commit}
        assert outcome.notices == ()


@pytest.mark.parametrize(
    ("tag", "asked_for", "cut"),
    [
        ("annotated", "annotated", str),
        ("annotated", "annotated", lambda sha: sha[:7]),
        ("annotated", "annotated", str.upper),
        ("twice", "twice", str),
        ("twice", "annotated", str),
    ],
    ids=["whole", "short", "capitals", "outer", "inner"],
)
async def test_an_annotated_tags_own_id_is_taken_and_told(
    resolving: Resolving, tag: str, asked_for: str, cut: Callable[[str], str]
) -> None:
    wanted = cut(resolving.id_of(asked_for))
    outcome = await resolving(tag, wanted)
    commit = resolving.id_of("light")
    assert outcome.variables == {"commit_sha": commit}
    (notice,) = outcome.notices
    assert notice.startswith(f"{wanted.lower()} is the id of the annotated tag {tag} itself")
    assert commit in notice


@pytest.mark.parametrize(("tag", "asked_for"), [("light", "annotated"), ("annotated", "twice"), ("light", "f" * 40)])
async def test_any_other_id_is_a_mismatch_that_names_both(resolving: Resolving, tag: str, asked_for: str) -> None:
    wanted = asked_for if len(asked_for) == 40 else resolving.id_of(asked_for)
    with pytest.raises(CommitMismatch) as mismatch:
        await resolving(tag, wanted)
    assert wanted in mismatch.value.detail
    assert resolving.id_of("light") in mismatch.value.detail
