"""Tags of a repository, from the look-alike over real HTTP."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support.servers.api_server import NOWHERE, RunningApi, running_api
from tests.support.servers.sandbox_server import RunningSandbox, git, make_repository, running_sandbox

PATH = "/api/v1/images/github-tags"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    root = tmp_path_factory.mktemp("tags") / "sandbox"
    with running_sandbox(root) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(served: RunningSandbox) -> RunningSandbox:
    served.clear_faults()
    served.forget_requests()
    return served


@pytest_asyncio.fixture
async def server(database_url: str, tmp_path: Path, sandbox: RunningSandbox) -> AsyncIterator[RunningApi]:
    async with running_api(database_url, tmp_path, github_url=sandbox.url) as running:
        yield running


def _detail_requests(sandbox: RunningSandbox) -> int:
    return sum("/commits/" in request["path"] for request in sandbox.requests())


async def test_tags_come_by_version_with_their_commits(server: RunningApi, sandbox: RunningSandbox) -> None:
    answer = await server.http.get(PATH, params={"repo": "demo/hello"})
    tags = answer.json()["tags"]
    assert [tag["name"] for tag in tags] == ["v1.1.0", "v1.0.0"]
    folder = sandbox.root / "demo" / "hello"
    commit = tags[1]["commit"]
    assert commit["sha"] == git(folder, "rev-parse", "v1.0.0^{commit}")
    assert set(commit) == {"sha", "url", "date", "author", "message"}
    assert commit["date"].endswith("Z")
    assert commit["author"]
    assert commit["message"]
    assert tags[1]["zipball_url"]
    assert tags[1]["tarball_url"]
    limited = await server.http.get(PATH, params={"repo": "demo/hello", "limit": 1})
    assert [tag["name"] for tag in limited.json()["tags"]] == ["v1.1.0"]


def _with_tags(sandbox: RunningSandbox, name: str, *tags: str) -> Path:
    """Make a repository with many tags at once."""
    folder = sandbox.root / "demo" / name
    make_repository(folder, {"Dockerfile": "FROM scratch\n"})
    head = git(folder, "rev-parse", "HEAD")
    (folder / ".git" / "packed-refs").write_text("".join(f"{head} refs/tags/{tag}\n" for tag in sorted(tags)))
    return folder


async def test_the_newest_of_more_than_a_thousand_tags_is_there_and_what_is_cut_is_said(
    server: RunningApi, sandbox: RunningSandbox
) -> None:
    names = [f"v{major}.{minor}.0" for major in range(1, 31) for minor in range(50)]
    _with_tags(sandbox, "ages", *names, "v4.0.0-rc-1", "2024-01-01", "nightly")
    sandbox.forget_requests()
    answer = (await server.http.get(PATH, params={"repo": "demo/ages", "limit": 3})).json()
    assert [tag["name"] for tag in answer["tags"]] == ["v30.49.0", "v30.48.0", "v30.47.0"]
    assert answer["truncated"] is True
    assert len(sandbox.requests()) == 2, "one for all tags, one for the commit's details"
    answer = (await server.http.get(PATH, params={"repo": "demo/ages", "limit": 100000})).json()
    assert (len(answer["tags"]), answer["truncated"]) == (1000, True)
    whole = (await server.http.get(PATH, params={"repo": "demo/hello"})).json()
    assert whole["truncated"] is False


async def test_where_all_tags_cannot_be_had_at_once_they_are_had_page_by_page(
    server: RunningApi, sandbox: RunningSandbox
) -> None:
    _with_tags(sandbox, "paged", *(f"v1.{number}.0" for number in range(1200)))
    sandbox.order(route="references", status=404)
    sandbox.forget_requests()
    answer = (await server.http.get(PATH, params={"repo": "demo/paged", "limit": 1})).json()
    assert ([tag["name"] for tag in answer["tags"]], answer["truncated"]) == (["v1.1199.0"], True)
    assert sum(request["path"].endswith("/tags") for request in sandbox.requests()) == 12


@pytest.mark.parametrize(
    ("annotated", "light", "requests"),
    [
        pytest.param(3, 300, {"references": 1, "objects": 4, "pages": 0}, id="by the object where they are few"),
        pytest.param(130, 0, {"references": 2, "objects": 1, "pages": 2}, id="by the page where they are many"),
    ],
)
async def test_commits_of_annotated_tags_are_asked_for_once_and_by_few_requests(
    server: RunningApi, sandbox: RunningSandbox, annotated: int, light: int, requests: dict[str, int]
) -> None:
    name = f"annotated-{annotated}"
    folder = _with_tags(sandbox, name, *(f"v1.{number}.0" for number in range(light)))
    for number in range(annotated):
        git(folder, "tag", "--annotate", "--message=annotated", f"v2.{number}.0")
    git(folder, "tag", "--annotate", "--message=a tree", "v9.0.0", "HEAD^{tree}")
    head = git(folder, "rev-parse", "HEAD")
    for expected in (requests, {"references": 1, "objects": 0, "pages": 0}):
        sandbox.forget_requests()
        tags = (await server.http.get(PATH, params={"repo": f"demo/{name}"})).json()["tags"]
        assert tags[0]["name"] == f"v2.{annotated - 1}.0", "a tag of a tree is no version of a source"
        assert {tag["commit"]["sha"] for tag in tags} == {head}
        paths = [request["path"] for request in sandbox.requests()]
        assert expected == {
            "references": sum("/matching-refs/" in path for path in paths),
            "objects": sum("/git/tags/" in path for path in paths),
            "pages": sum(path.endswith("/tags") for path in paths),
        }


async def test_what_was_learnt_before_the_rate_limit_is_kept(server: RunningApi, sandbox: RunningSandbox) -> None:
    folder = _with_tags(sandbox, "limited")
    for number in range(2):
        git(folder, "tag", "--annotate", f"--message=number {number}", f"v1.{number}.0")
    sandbox.order(route="ref", rate_limit="primary", repo="demo/limited")
    limited = await server.http.get(PATH, params={"repo": "demo/limited"})
    assert (limited.status_code, limited.json()["code"]) == (429, "source_host_rate_limited")
    assert int(limited.headers["retry-after"]) >= 1
    sandbox.clear_faults()
    assert len((await server.http.get(PATH, params={"repo": "demo/limited"})).json()["tags"]) == 2


async def test_an_owner_whom_a_company_manages_is_taken(server: RunningApi, sandbox: RunningSandbox) -> None:
    make_repository(sandbox.root / "octo_corp" / "my_app.v2", {"Dockerfile": "FROM scratch\n"}, "v1.0.0")
    answer = await server.http.get(PATH, params={"repo": "octo_corp/my_app.v2"})
    assert [tag["name"] for tag in answer.json()["tags"]] == ["v1.0.0"]
    assert (await server.order(repo="octo_corp/my_app.v2"))["github_repo"] == "octo_corp/my_app.v2"


async def test_details_are_asked_for_once_and_at_most_twenty_a_call(
    server: RunningApi, sandbox: RunningSandbox
) -> None:
    folder = sandbox.root / "demo" / "many"
    if not folder.exists():
        make_repository(folder, {"Dockerfile": "FROM scratch\n"})
        for number in range(25):
            git(folder, "commit", "--quiet", "--allow-empty", f"--message=number {number}")
            git(folder, "tag", f"v0.{number}")
    sandbox.forget_requests()
    first = (await server.http.get(PATH, params={"repo": "demo/many"})).json()["tags"]
    assert [tag["name"] for tag in first][:2] == ["v0.24", "v0.23"]
    assert [tag["commit"]["message"] is not None for tag in first] == [True] * 20 + [False] * 5
    assert _detail_requests(sandbox) == 20
    second = (await server.http.get(PATH, params={"repo": "demo/many"})).json()["tags"]
    assert all(tag["commit"]["message"] for tag in second)
    assert _detail_requests(sandbox) == 25


async def test_the_list_is_good_without_details(server: RunningApi, sandbox: RunningSandbox) -> None:
    sandbox.order(route="commits", status=500)
    tags = (await server.http.get(PATH, params={"repo": "demo/hello"})).json()["tags"]
    assert [tag["commit"]["message"] for tag in tags] == [None, None]


@pytest.mark.parametrize("repo", ["", "hello", "a/b/c", "../..", "demo/hello?x", "demo/.."])
async def test_a_malformed_repository_is_422(server: RunningApi, repo: str) -> None:
    answer = await server.http.get(PATH, params={"repo": repo})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["loc"] == ["query", "repo"]


@pytest.mark.parametrize(("limit", "status"), [("0", 422), ("-1", 422), ("x", 422), ("1000", 200), ("100000", 200)])
async def test_a_limit_is_cut_at_a_thousand(server: RunningApi, limit: str, status: int) -> None:
    assert (await server.http.get(PATH, params={"repo": "demo/hello", "limit": limit})).status_code == status


async def test_what_github_says_is_said_on(server: RunningApi, sandbox: RunningSandbox) -> None:
    missing = await server.http.get(PATH, params={"repo": "demo/missing"})
    assert (missing.status_code, missing.json()["code"]) == (404, "repository_not_found")
    sandbox.order(rate_limit="primary")
    limited = await server.http.get(PATH, params={"repo": "demo/hello"})
    assert (limited.status_code, limited.json()["code"]) == (429, "source_host_rate_limited")
    assert int(limited.headers["retry-after"]) >= 1
    sandbox.clear_faults()
    sandbox.order(status=503)
    down = await server.http.get(PATH, params={"repo": "demo/hello"})
    assert (down.status_code, down.json()["code"]) == (502, "source_host_unreachable")


async def test_a_github_that_does_not_answer_is_502(database_url: str, tmp_path: Path) -> None:
    async with running_api(database_url, tmp_path, github_url=NOWHERE) as server:
        assert (await server.http.get(PATH, params={"repo": "demo/hello"})).status_code == 502
