"""The GitHub adapter, over real HTTP against the look-alike."""

import gzip
import io
import tarfile
from datetime import UTC, datetime

import pytest
import structlog

from activities.adapters.github.rest import GitHub
from activities.ports.source_host import ResolvedTag
from models.rules.errors.request import RequestInvalid
from models.rules.errors.source import (
    RepositoryNotFound,
    TagNotFound,
)
from tests.support.servers.sandbox_commits import NOWHERE, PATIENT, downloaded, hello_commit
from tests.support.servers.sandbox_server import RunningSandbox, git, make_repository


@pytest.mark.parametrize("tag", ["v1.0.0", "v1.1.0"], ids=["light", "annotated"])
async def test_a_tag_leads_to_its_commit(github: GitHub, sandbox: RunningSandbox, tag: str) -> None:
    assert (await github.resolve_tag("demo/hello", tag)).commit == hello_commit(sandbox, tag)


async def test_an_annotated_tags_own_id_is_told_from_its_commits(github: GitHub, sandbox: RunningSandbox) -> None:
    own = git(sandbox.root / "demo" / "hello", "rev-parse", "v1.1.0")
    assert await github.resolve_tag("demo/hello", "v1.1.0") == ResolvedTag(hello_commit(sandbox, "v1.1.0"), (own,))
    assert (await github.resolve_tag("demo/hello", "v1.0.0")).objects == ()


async def test_a_tag_of_tags_leads_to_the_commit_at_the_end(github: GitHub, sandbox: RunningSandbox) -> None:
    folder = sandbox.root / "acme" / "nested"
    commit = make_repository(folder, {"a": "a"}, "tag-0")
    for depth in range(1, 13):
        git(folder, "tag", "--annotate", f"--message=level {depth}", f"tag-{depth}", f"tag-{depth - 1}")
    resolved = await github.resolve_tag("acme/nested", "tag-10")
    assert resolved.commit == commit
    assert list(resolved.objects) == [git(folder, "rev-parse", f"tag-{depth}") for depth in range(10, 0, -1)]
    with pytest.raises(TagNotFound, match="not to a commit"):
        await github.resolve_tag("acme/nested", "tag-12")


async def test_a_tag_of_a_tree_is_refused_with_a_reason(github: GitHub, sandbox: RunningSandbox) -> None:
    folder = sandbox.root / "acme" / "tree"
    make_repository(folder, {"a": "a"})
    git(folder, "tag", "odd", "HEAD^{tree}")
    with pytest.raises(TagNotFound, match="leads to a tree"):
        await github.resolve_tag("acme/tree", "odd")


@pytest.mark.parametrize("tag", ["release/1.0", "a#b", "50%25", "v1+é", "-v1", "a&b=c;d", "$(id)", "'v'"])
async def test_a_tag_of_any_characters_is_found(github: GitHub, sandbox: RunningSandbox, tag: str) -> None:
    folder = sandbox.root / "acme" / "spelling"
    if not folder.exists():
        make_repository(folder, {"a": "a"})
    git(folder, "update-ref", f"refs/tags/{tag}", "HEAD")
    assert (await github.resolve_tag("acme/spelling", tag)).commit == git(folder, "rev-parse", "HEAD")


@pytest.mark.parametrize(
    "tag", ["", "../../../x", "a..b", "a b", "a\nb", "/a", "a/", "a.lock", "a~1", "\x00", "\ud800"]
)
async def test_what_git_allows_for_no_tag_is_never_asked_for(github: GitHub, sandbox: RunningSandbox, tag: str) -> None:
    with pytest.raises(RequestInvalid):
        await github.resolve_tag("demo/hello", tag)
    assert sandbox.requests() == []


@pytest.mark.parametrize(
    "repo", ["", "demo", "demo/", "/hello", "demo/hello/x", "demo/..", "../hello", "demo/he llo", "demo/a?b"]
)
async def test_what_is_no_repositorys_name_is_never_asked_for(
    github: GitHub, sandbox: RunningSandbox, repo: str
) -> None:
    with pytest.raises(RequestInvalid):
        await github.resolve_tag(repo, "v1.0.0")
    with pytest.raises(RequestInvalid):
        await github.tags(repo, 1)
    with pytest.raises(RequestInvalid):
        await downloaded(github, repo, NOWHERE)
    assert sandbox.requests() == []


@pytest.mark.parametrize("sha", ["", "main", "../../x", NOWHERE[:7], NOWHERE.upper()])
async def test_only_a_full_sha_names_a_commit(github: GitHub, sha: str) -> None:
    with pytest.raises(RequestInvalid):
        await github.commit("demo/hello", sha)
    with pytest.raises(RequestInvalid):
        await downloaded(github, "demo/hello", sha)


async def test_requests_bear_the_id_of_what_set_them_off(github: GitHub, sandbox: RunningSandbox) -> None:
    with structlog.contextvars.bound_contextvars(correlation_id="order-7"):
        await downloaded(github, "demo/hello", hello_commit(sandbox, "v1.0.0"))
    await github.resolve_tag("demo/hello", "v1.0.0")
    redirected, download, other = sandbox.requests()
    assert redirected["correlation_id"] == download["correlation_id"] == "order-7"
    assert other["correlation_id"] is None


async def test_a_missing_tag_is_told_from_a_missing_repository(github: GitHub) -> None:
    with pytest.raises(TagNotFound, match=r"no tag v9 in demo/hello"):
        await github.resolve_tag("demo/hello", "v9")
    with pytest.raises(RepositoryNotFound, match="demo/nothing"):
        await github.resolve_tag("demo/nothing", "v9")
    with pytest.raises(RepositoryNotFound):
        await github.tags("demo/nothing", 10)


async def test_a_missing_commit_is_told_from_a_missing_repository(github: GitHub) -> None:
    with pytest.raises(TagNotFound, match="no commit ffffffffffff"):
        await github.commit("demo/hello", NOWHERE)
    with pytest.raises(TagNotFound, match="no source of commit"):
        await downloaded(github, "demo/hello", NOWHERE)
    with pytest.raises(RepositoryNotFound):
        await github.commit("demo/nothing", NOWHERE)
    with pytest.raises(RepositoryNotFound):
        await downloaded(github, "demo/nothing", NOWHERE)


async def test_a_private_repository_opens_to_the_token_alone(github: GitHub, sandbox: RunningSandbox) -> None:
    folder = sandbox.root / "acme" / "private"
    commit = make_repository(folder, {"secret.txt": "plans"}, "v1")
    git(folder, "config", "slipway.private", "true")
    assert (await github.resolve_tag("acme/private", "v1")).commit == commit
    assert b"plans" in gzip.decompress(await downloaded(github, "acme/private", commit))
    nobody = GitHub(sandbox.url, None, PATIENT)
    with pytest.raises(RepositoryNotFound, match="a private one needs GITHUB_TOKEN"):
        await nobody.resolve_tag("acme/private", "v1")
    await nobody.aclose()


async def test_the_tarball_holds_the_tags_files(github: GitHub, sandbox: RunningSandbox) -> None:
    commit = hello_commit(sandbox, "v1.0.0")
    with tarfile.open(fileobj=io.BytesIO(await downloaded(github, "demo/hello", commit))) as archive:
        page = archive.extractfile(f"demo-hello-{commit[:7]}/Dockerfile")
        assert page is not None
        assert page.readline() == b"FROM busybox:1.36\n"


async def test_the_token_stays_home_when_github_redirects_to_its_download_host(
    github: GitHub, sandbox: RunningSandbox
) -> None:
    await downloaded(github, "demo/hello", hello_commit(sandbox, "v1.0.0"))
    api, download = sandbox.requests()
    assert api["has_authorization"]
    assert download["path"].startswith("/codeload/")
    assert download["host"].startswith("localhost:")
    assert not download["has_authorization"]


async def test_tags_come_in_githubs_order_over_several_pages(github: GitHub, sandbox: RunningSandbox) -> None:
    folder = sandbox.root / "acme" / "many"
    make_repository(folder, {"a": "a"})
    names = [f"v{number:04}" for number in range(250)]
    git_dir = folder / ".git"
    head = git(folder, "rev-parse", "HEAD")
    (git_dir / "packed-refs").write_text("".join(f"{head} refs/tags/{name}\n" for name in names))
    assert [tag.name for tag in await github.tags("acme/many", 1000)] == names[::-1]
    assert len(sandbox.requests()) == 3
    sandbox.forget_requests()
    assert [tag.name for tag in await github.tags("acme/many", 120)] == names[:129:-1]
    assert len(sandbox.requests()) == 2
    assert await github.tags("acme/many", 0) == []


async def test_a_listed_tag_says_where_its_commit_and_archives_are(github: GitHub, sandbox: RunningSandbox) -> None:
    newest, _older = await github.tags("demo/hello", 2)
    commit = hello_commit(sandbox, "v1.1.0")
    assert (newest.name, newest.commit_sha) == ("v1.1.0", commit)
    assert newest.commit_url == f"{sandbox.url}/repos/demo/hello/commits/{commit}"
    assert newest.zipball_url == f"{sandbox.url}/repos/demo/hello/zipball/refs/tags/v1.1.0"
    assert newest.tarball_url == f"{sandbox.url}/repos/demo/hello/tarball/refs/tags/v1.1.0"


async def test_all_tags_come_at_once_each_with_what_it_names(github: GitHub, sandbox: RunningSandbox) -> None:
    commit = make_repository(sandbox.root / "acme" / "kinds", {"a": "a"}, "v1", "release/2")
    folder = sandbox.root / "acme" / "kinds"
    git(folder, "tag", "--annotate", "--message=annotated", "v3", "v1")
    git(folder, "tag", "tree", "HEAD^{tree}")
    git(folder, "branch", "tags")
    tags = {tag.name: tag for tag in await github.tag_references("acme/kinds")}
    assert {name: tag.kind for name, tag in tags.items()} == {
        "v1": "commit",
        "release/2": "commit",
        "v3": "tag",
        "tree": "tree",
    }
    assert tags["v1"].sha == commit
    assert await github.peel("acme/kinds", tags["v3"].sha) == commit
    (listed,) = [tag for tag in await github.tags("acme/kinds", 10) if tag.name == "release/2"]
    assert github.tag_of("acme/kinds", "release/2", commit) == listed


async def test_a_tag_of_a_tree_is_peeled_to_no_commit(github: GitHub, sandbox: RunningSandbox) -> None:
    folder = sandbox.root / "acme" / "wooden"
    make_repository(folder, {"a": "a"})
    git(folder, "tag", "--annotate", "--message=a tree", "v1", "HEAD^{tree}")
    assert await github.peel("acme/wooden", git(folder, "rev-parse", "v1")) is None


async def test_a_commit_tells_its_committers_date_and_its_author(github: GitHub, sandbox: RunningSandbox) -> None:
    commit = make_repository(sandbox.root / "acme" / "told", {"a": "a"})
    details = await github.commit("acme/told", commit)
    assert details.sha == commit
    assert details.date == datetime(2026, 1, 2, 8, tzinfo=UTC)
    assert details.author == "Ada"
    assert details.message == "First words\n\nAnd some more."


async def test_a_repository_without_a_commit_has_no_tags(github: GitHub, sandbox: RunningSandbox) -> None:
    folder = sandbox.root / "acme" / "empty"
    folder.mkdir(parents=True)
    git(folder, "init", "--quiet", "--template=")
    assert await github.tags("acme/empty", 10) == []
    assert await github.tag_references("acme/empty") == []
    with pytest.raises(TagNotFound):
        await github.resolve_tag("acme/empty", "v1")
