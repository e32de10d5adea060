"""The GitHub adapter, over real HTTP against the look-alike."""

import gzip
import io
import json
import tarfile
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio
import structlog

from activities.adapters.github import answers
from activities.adapters.github.rest import GitHub
from activities.ports.source_host import ResolvedTag
from models.rules.errors.domain import DomainError
from models.rules.errors.request import RequestInvalid
from models.rules.errors.source import (
    RepositoryNotFound,
    SourceHostDenied,
    SourceHostRateLimited,
    SourceHostUnreachable,
    SourceHostWrong,
    TagNotFound,
)
from models.rules.redaction import Redaction
from tests.support.servers.sandbox_server import RunningSandbox, git, make_repository, running_sandbox

PATIENT = timedelta(seconds=20)
HASTY = timedelta(seconds=0.3)
NOWHERE = "f" * 40


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    root = tmp_path_factory.mktemp("github") / "sandbox"
    with running_sandbox(root, download_host="localhost") as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(served: RunningSandbox) -> RunningSandbox:
    served.clear_faults()
    served.forget_requests()
    return served


@pytest_asyncio.fixture(scope="module")
async def github(served: RunningSandbox) -> AsyncIterator[GitHub]:
    host = GitHub(served.url, served.token, PATIENT)
    yield host
    await host.aclose()


async def _download(github: GitHub, repo: str, commit: str) -> bytes:
    async with github.tarball(repo, commit) as chunks:
        return b"".join([chunk async for chunk in chunks])


def _hello(sandbox: RunningSandbox, revision: str) -> str:
    return git(sandbox.root / "demo" / "hello", "rev-parse", f"{revision}^{{commit}}")


@pytest.mark.parametrize("tag", ["v1.0.0", "v1.1.0"], ids=["light", "annotated"])
async def test_a_tag_leads_to_its_commit(github: GitHub, sandbox: RunningSandbox, tag: str) -> None:
    assert (await github.resolve_tag("demo/hello", tag)).commit == _hello(sandbox, tag)


async def test_an_annotated_tags_own_id_is_told_from_its_commits(github: GitHub, sandbox: RunningSandbox) -> None:
    own = git(sandbox.root / "demo" / "hello", "rev-parse", "v1.1.0")
    assert await github.resolve_tag("demo/hello", "v1.1.0") == ResolvedTag(_hello(sandbox, "v1.1.0"), (own,))
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
        await _download(github, repo, NOWHERE)
    assert sandbox.requests() == []


@pytest.mark.parametrize("sha", ["", "main", "../../x", NOWHERE[:7], NOWHERE.upper()])
async def test_only_a_full_sha_names_a_commit(github: GitHub, sha: str) -> None:
    with pytest.raises(RequestInvalid):
        await github.commit("demo/hello", sha)
    with pytest.raises(RequestInvalid):
        await _download(github, "demo/hello", sha)


async def test_requests_bear_the_id_of_what_set_them_off(github: GitHub, sandbox: RunningSandbox) -> None:
    with structlog.contextvars.bound_contextvars(correlation_id="order-7"):
        await _download(github, "demo/hello", _hello(sandbox, "v1.0.0"))
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
        await _download(github, "demo/hello", NOWHERE)
    with pytest.raises(RepositoryNotFound):
        await github.commit("demo/nothing", NOWHERE)
    with pytest.raises(RepositoryNotFound):
        await _download(github, "demo/nothing", NOWHERE)


async def test_a_private_repository_opens_to_the_token_alone(github: GitHub, sandbox: RunningSandbox) -> None:
    folder = sandbox.root / "acme" / "private"
    commit = make_repository(folder, {"secret.txt": "plans"}, "v1")
    git(folder, "config", "slipway.private", "true")
    assert (await github.resolve_tag("acme/private", "v1")).commit == commit
    assert b"plans" in gzip.decompress(await _download(github, "acme/private", commit))
    nobody = GitHub(sandbox.url, None, PATIENT)
    with pytest.raises(RepositoryNotFound, match="a private one needs GITHUB_TOKEN"):
        await nobody.resolve_tag("acme/private", "v1")
    await nobody.aclose()


async def test_the_tarball_holds_the_tags_files(github: GitHub, sandbox: RunningSandbox) -> None:
    commit = _hello(sandbox, "v1.0.0")
    with tarfile.open(fileobj=io.BytesIO(await _download(github, "demo/hello", commit))) as archive:
        page = archive.extractfile(f"demo-hello-{commit[:7]}/Dockerfile")
        assert page is not None
        assert page.readline() == b"FROM busybox:1.36\n"


async def test_the_token_stays_home_when_github_redirects_to_its_download_host(
    github: GitHub, sandbox: RunningSandbox
) -> None:
    await _download(github, "demo/hello", _hello(sandbox, "v1.0.0"))
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
    commit = _hello(sandbox, "v1.1.0")
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


async def test_a_wrong_token_is_said_without_being_shown(sandbox: RunningSandbox) -> None:
    stranger = GitHub(sandbox.url, "ghp_wrong", PATIENT)
    with pytest.raises(SourceHostDenied, match="GITHUB_TOKEN") as denied:
        await stranger.resolve_tag("demo/hello", "v1.0.0")
    assert "ghp_wrong" not in denied.value.detail
    await stranger.aclose()


def test_a_token_with_a_line_break_inside_is_refused_before_it_is_sent() -> None:
    with pytest.raises(ValueError, match="copy it again") as refused:
        GitHub("http://127.0.0.1:9", "ghp_a\nb", PATIENT)
    assert "ghp_a" not in str(refused.value)


async def test_an_empty_token_is_none(sandbox: RunningSandbox) -> None:
    anonymous = GitHub(f"{sandbox.url}/", " ", PATIENT)
    assert len(await anonymous.tags("demo/hello", 10)) == 2
    assert [request["has_authorization"] for request in sandbox.requests()] == [False]
    await anonymous.aclose()


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"status": 500}, SourceHostUnreachable),
        ({"status": 503}, SourceHostUnreachable),
        ({"status": 401}, SourceHostDenied),
        ({"status": 403}, SourceHostDenied),
        ({"status": 451}, SourceHostDenied),
        ({"status": 429}, SourceHostRateLimited),
        ({"rate_limit": "primary"}, SourceHostRateLimited),
        ({"rate_limit": "secondary"}, SourceHostRateLimited),
        ({"cut_off_after_bytes": 5}, SourceHostUnreachable),
        ({"corrupt": True}, SourceHostWrong),
    ],
    ids=str,
)
async def test_each_fault_of_github_has_its_own_error(
    github: GitHub, sandbox: RunningSandbox, fault: dict[str, object], error: type[DomainError]
) -> None:
    for route in ("ref", "references", "tags", "commits"):
        sandbox.order(route=route, **fault)
    commit = _hello(sandbox, "v1.0.0")
    for call in (
        github.resolve_tag("demo/hello", "v1.0.0"),
        github.tags("demo/hello", 1),
        github.tag_references("demo/hello"),
        github.peel("demo/hello", git(sandbox.root / "demo" / "hello", "rev-parse", "v1.1.0")),
        github.commit("demo/hello", commit),
    ):
        with pytest.raises(error) as raised:
            await call
        assert sandbox.token not in raised.value.detail
        assert raised.value.detail.endswith((".", '".'))


@pytest.mark.parametrize("before", range(140, 202, 6))
async def test_a_token_that_github_repeats_is_never_shown_wherever_its_words_are_cut(before: int) -> None:
    token = "ghp_" + "0123456789abcdefghijklmnopqrstuvwx"
    complaint = answers.complaint_in(
        json.dumps({"message": "x" * before + token + "y" * 99}).encode(), Redaction([token])
    )
    assert token[:8] not in complaint
    assert len(complaint) <= 200


@pytest.mark.parametrize("kind", ["primary", "secondary"])
async def test_a_rate_limit_says_when_to_come_back(github: GitHub, sandbox: RunningSandbox, kind: str) -> None:
    sandbox.order(route="ref", rate_limit=kind, retry_after_seconds=90)
    with pytest.raises(SourceHostRateLimited) as limited:
        await github.resolve_tag("demo/hello", "v1.0.0")
    assert limited.value.retry_after is not None
    assert timedelta(seconds=60) < limited.value.retry_after <= timedelta(seconds=90)


async def test_a_rate_limit_that_names_no_time_asks_for_a_minute(github: GitHub, sandbox: RunningSandbox) -> None:
    sandbox.order(route="ref", status=429)
    with pytest.raises(SourceHostRateLimited) as limited:
        await github.resolve_tag("demo/hello", "v1.0.0")
    assert limited.value.retry_after == timedelta(minutes=1)


async def test_the_limit_of_callers_without_a_token_is_met(tmp_path: Path) -> None:
    with running_sandbox(tmp_path / "sandbox", anonymous_limit=2) as strict:
        anonymous = GitHub(strict.url, None, PATIENT)
        for _request in range(2):
            await anonymous.tags("demo/hello", 1)
        with pytest.raises(SourceHostRateLimited, match="GITHUB_TOKEN has a limit of its own"):
            await anonymous.tags("demo/hello", 1)
        await anonymous.aclose()


async def test_a_silent_github_is_unreachable(sandbox: RunningSandbox) -> None:
    hasty = GitHub(sandbox.url, None, HASTY)
    sandbox.order(route="ref", stall_after_bytes=10)
    sandbox.order(route="tags", delay_seconds=2)
    for call in (hasty.resolve_tag("demo/hello", "v1.0.0"), hasty.tags("demo/hello", 1)):
        with pytest.raises(SourceHostUnreachable, match="try again"):
            await call
    await hasty.aclose()


async def test_a_download_that_stalls_is_unreachable_and_tells_how_far_it_came(sandbox: RunningSandbox) -> None:
    hasty = GitHub(sandbox.url, None, HASTY)
    sandbox.order(route="tarball", stall_after_bytes=100)
    with pytest.raises(SourceHostUnreachable, match=r"silent for 0\.3 s, 100 bytes into the source"):
        await _download(hasty, "demo/hello", _hello(sandbox, "v1.0.0"))
    await hasty.aclose()


async def test_a_download_that_is_cut_off_is_broken_and_the_next_is_whole(
    github: GitHub, sandbox: RunningSandbox
) -> None:
    commit = _hello(sandbox, "v1.0.0")
    sandbox.order(route="tarball", cut_off_after_bytes=100, times=1)
    with pytest.raises(SourceHostUnreachable, match="after 100 bytes"):
        await _download(github, "demo/hello", commit)
    assert gzip.decompress(await _download(github, "demo/hello", commit))


@pytest.mark.parametrize("route", ["tarball", "codeload"])
async def test_a_download_that_is_refused_is_said_before_its_first_byte(
    github: GitHub, sandbox: RunningSandbox, route: str
) -> None:
    sandbox.order(route=route, status=502)
    with pytest.raises(SourceHostUnreachable, match="answered 502"):
        await _download(github, "demo/hello", _hello(sandbox, "v1.0.0"))


async def test_a_corrupt_download_has_all_its_bytes(github: GitHub, sandbox: RunningSandbox) -> None:
    commit = _hello(sandbox, "v1.0.0")
    whole = await _download(github, "demo/hello", commit)
    sandbox.order(route="tarball", corrupt=True)
    corrupt = await _download(github, "demo/hello", commit)
    assert len(corrupt) == len(whole)
    assert corrupt != whole


async def test_a_reader_that_leaves_a_download_harms_nobody(github: GitHub, sandbox: RunningSandbox) -> None:
    commit = _hello(sandbox, "v1.0.0")
    sandbox.order(route="tarball", stall_after_bytes=10, times=1)
    async with github.tarball("demo/hello", commit) as chunks:
        assert await anext(aiter(chunks))
    assert gzip.decompress(await _download(github, "demo/hello", commit))


async def test_a_host_that_does_not_answer_is_unreachable() -> None:
    github = GitHub("http://127.0.0.1:1", "secret-token", PATIENT)
    with pytest.raises(SourceHostUnreachable, match=r"127\.0\.0\.1:1 cannot be reached .*GITHUB_API_URL") as error:
        await github.resolve_tag("demo/hello", "v1.0.0")
    assert "secret-token" not in error.value.detail
    await github.aclose()


async def test_a_host_that_is_no_github_is_told_as_such(sandbox: RunningSandbox) -> None:
    """The sandbox's own routes answer JSON, and 200, but nothing that GitHub would say."""
    elsewhere = GitHub(f"{sandbox.url}/_sandbox/health?", None, PATIENT)
    for call in (elsewhere.resolve_tag("a/b", "v1"), elsewhere.tags("a/b", 1), elsewhere.commit("a/b", NOWHERE)):
        with pytest.raises(SourceHostWrong, match="not GitHub's API"):
            await call
    await elsewhere.aclose()
