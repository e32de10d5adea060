"""The GitHub look-alike answers as GitHub does."""

import gzip
import io
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from sandbox.github.rate_limits import WINDOW_SECONDS, RateLimits
from tests.support.servers.sandbox_server import RunningSandbox, bearer, git, json_at, make_repository, running_sandbox

UNKNOWN = {"message": "Not Found", "documentation_url": "https://docs.github.com/rest", "status": "404"}


def test_a_repository_is_described(sandbox: RunningSandbox) -> None:
    body = json_at(sandbox, "/repos/demo/hello")
    assert (body["full_name"], body["name"], body["owner"]["login"]) == ("demo/hello", "hello", "demo")
    assert (body["default_branch"], body["private"]) == ("main", False)


def test_a_repository_added_while_it_runs_is_served_bare_or_not(sandbox: RunningSandbox, tmp_path: Path) -> None:
    assert sandbox.http.get("/repos/acme/new").status_code == 404
    commit = make_repository(sandbox.root / "acme" / "new", {"a": "a"}, "v1")
    git(tmp_path, "clone", "--quiet", "--bare", str(sandbox.root / "acme" / "new"), str(sandbox.root / "acme" / "bare"))
    for name in ("new", "bare"):
        assert json_at(sandbox, f"/repos/acme/{name}/git/ref/tags/v1")["object"]["sha"] == commit


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/repos/demo",
        "/repos/demo/none",
        "/repos/demo/plain",
        "/repos/demo/hello/git/ref/tags/v9",
        "/repos/demo/hello/git/ref/tags/v1",
        "/repos/demo/hello/git/ref/tags/v1.0.%3F",
        "/repos/demo/hello/git/ref/tags/a%00b",
        "/repos/demo/hello/git/ref/tags/a%0Ab",
        "/repos/demo/hello/git/ref/tags/--help",
        "/repos/demo/hello/git/tags/HEAD",
        "/repos/..%2Fdemo/hello",
        "/repos/demo/%2e%2e",
        "/repos/.tarballs/x/tags",
    ],
)
def test_what_is_not_there_is_404_as_github_says_it(sandbox: RunningSandbox, path: str) -> None:
    (sandbox.root / "demo" / "plain").mkdir(exist_ok=True)
    unknown = sandbox.http.get(path)
    assert (unknown.status_code, unknown.json()) == (404, UNKNOWN)


def test_a_plain_folder_does_not_show_the_repository_around_it(sandbox: RunningSandbox) -> None:
    make_repository(sandbox.root / "around", {"a": "a"}, "v1")
    (sandbox.root / "around" / "plain").mkdir()
    assert sandbox.http.get("/repos/around/plain/tags").status_code == 404


def test_a_method_that_github_does_not_know_is_404(sandbox: RunningSandbox) -> None:
    assert sandbox.http.post("/repos/demo/hello").status_code == 404


def test_a_light_tag_names_a_commit_and_an_annotated_one_a_tag_object(sandbox: RunningSandbox) -> None:
    assert json_at(sandbox, "/repos/demo/hello/git/ref/tags/v1.0.0")["object"]["type"] == "commit"
    annotated = json_at(sandbox, "/repos/demo/hello/git/ref/tags/v1.1.0")
    assert (annotated["ref"], annotated["object"]["type"]) == ("refs/tags/v1.1.0", "tag")
    tag = sandbox.http.get(annotated["object"]["url"]).json()
    assert (tag["tag"], tag["message"]) == ("v1.1.0", "hello v1.1.0")
    assert tag["tagger"] == {"name": "Slipway", "email": "hello@slipway.invalid", "date": "2026-02-12T09:00:00Z"}
    assert tag["object"]["type"] == "commit"
    assert tag["verification"]["reason"] == "unsigned"


def test_all_tags_come_at_once_with_what_they_name(sandbox: RunningSandbox) -> None:
    listed = {each["ref"]: each for each in json_at(sandbox, "/repos/demo/hello/git/matching-refs/tags/")}
    assert list(listed) == ["refs/tags/v1.0.0", "refs/tags/v1.1.0"]
    for name in ("v1.0.0", "v1.1.0"):
        assert listed[f"refs/tags/{name}"] == json_at(sandbox, f"/repos/demo/hello/git/ref/tags/{name}")
    assert [each["ref"] for each in json_at(sandbox, "/repos/demo/hello/git/matching-refs/tags/v1.1")] == [
        "refs/tags/v1.1.0"
    ]
    assert json_at(sandbox, "/repos/demo/hello/git/matching-refs/tags/v9") == []


def test_a_commit_is_found_by_sha_branch_and_tag(sandbox: RunningSandbox) -> None:
    by_branch = json_at(sandbox, "/repos/demo/hello/commits/main")
    assert by_branch == json_at(sandbox, f"/repos/demo/hello/commits/{by_branch['sha']}")
    assert by_branch == json_at(sandbox, f"/repos/demo/hello/commits/{by_branch['sha'][:7]}")
    assert by_branch == json_at(sandbox, "/repos/demo/hello/commits/v1.1.0")
    assert by_branch["commit"]["message"] == "Say who answers"
    assert by_branch["commit"]["committer"]["date"] == "2026-02-12T09:00:00Z"
    parent = json_at(sandbox, "/repos/demo/hello/git/ref/tags/v1.0.0")["object"]["sha"]
    assert [each["sha"] for each in by_branch["parents"]] == [parent]


def test_an_unknown_commit_is_422_as_github_says_it(sandbox: RunningSandbox) -> None:
    unknown = sandbox.http.get("/repos/demo/hello/commits/main~1")
    assert (unknown.status_code, unknown.json()["message"]) == (422, "No commit found for SHA: main~1")


def test_tags_come_in_pages_that_name_each_other(sandbox: RunningSandbox) -> None:
    folder = sandbox.root / "acme" / "paged"
    make_repository(folder, {"a": "a"}, "v1", "v2", "v3", "v4", "v5")
    git(folder, "tag", "odd", "HEAD^{tree}")
    first = sandbox.http.get("/repos/acme/paged/tags?per_page=2")
    assert [tag["name"] for tag in first.json()] == ["v5", "v4"]
    assert set(first.links) == {"next", "last"}
    middle = sandbox.http.get(first.links["next"]["url"])
    assert [tag["name"] for tag in middle.json()] == ["v3", "v2"]
    assert set(middle.links) == {"prev", "next", "last", "first"}
    assert middle.links["last"]["url"].endswith("/repos/acme/paged/tags?per_page=2&page=3")
    last = sandbox.http.get(middle.links["next"]["url"])
    assert [tag["name"] for tag in last.json()] == ["v1"]  # "odd" leads to no commit
    assert set(last.links) == {"prev", "first"}


@pytest.mark.parametrize("query", ["per_page=0", "per_page=x", "per_page=-1", "page=0", "page=²", f"page={'0' * 5000}"])
def test_odd_page_numbers_mean_the_first_page(sandbox: RunningSandbox, query: str) -> None:
    listing = sandbox.http.get(f"/repos/demo/hello/tags?{query}")
    assert [tag["name"] for tag in listing.json()] == ["v1.1.0", "v1.0.0"]
    assert "link" not in listing.headers


@pytest.mark.parametrize("reference", ["v1.0.0", "refs/tags/v1.0.0", "main", "release/1"])
def test_a_tarball_is_a_redirect_to_the_download_host(sandbox: RunningSandbox, reference: str) -> None:
    if reference == "release/1":
        git(sandbox.root / "demo" / "hello", "branch", "--force", "release/1", "v1.0.0")
    redirect = sandbox.http.get(f"/repos/demo/hello/tarball/{reference}")
    assert redirect.status_code == 302
    assert redirect.headers["location"] == f"{sandbox.url}/codeload/demo/hello/legacy.tar.gz/{reference}"
    download = sandbox.http.get(redirect.headers["location"])
    assert download.headers["content-type"] == "application/x-gzip"
    sha = json_at(sandbox, f"/repos/demo/hello/commits/{reference}")["sha"]
    with tarfile.open(fileobj=io.BytesIO(download.content), mode="r:gz") as archive:
        assert {name.split("/")[0] for name in archive.getnames()} == {f"demo-hello-{sha[:7]}"}


def test_a_download_of_nothing_is_a_plain_404(sandbox: RunningSandbox) -> None:
    download = sandbox.http.get("/repos/demo/hello/tarball/v9", follow_redirects=True)
    assert (download.status_code, download.text) == (404, "404: Not Found")


def test_a_private_repository_does_not_exist_for_callers_without_a_token(sandbox: RunningSandbox) -> None:
    folder = sandbox.root / "acme" / "private"
    make_repository(folder, {"a": "plans"}, "v1")
    git(folder, "config", "slipway.private", "true")
    hidden = sandbox.http.get("/repos/acme/private/tags")
    assert (hidden.status_code, hidden.json()) == (404, UNKNOWN)
    assert sandbox.http.get("/codeload/acme/private/legacy.tar.gz/v1").status_code == 404
    redirect = sandbox.http.get("/repos/acme/private/tarball/v1", headers=bearer(sandbox.token))
    assert b"plans" in gzip.decompress(sandbox.http.get(redirect.headers["location"]).content)


@pytest.mark.parametrize("authorization", ["Bearer wrong", "token wrong", "Basic c2FuZGJveA==", "Bearer"])
def test_a_wrong_token_is_401(sandbox: RunningSandbox, authorization: str) -> None:
    denied = sandbox.http.get("/repos/demo/hello", headers={"authorization": authorization})
    assert (denied.status_code, denied.json()["message"]) == (401, "Bad credentials")


def test_a_caller_that_does_not_name_itself_is_403(sandbox: RunningSandbox) -> None:
    assert sandbox.http.get("/repos/demo/hello", headers={"user-agent": ""}).status_code == 403


def test_an_answer_held_already_is_304_and_free_for_a_token(sandbox: RunningSandbox) -> None:
    token = bearer(sandbox.token)
    first = sandbox.http.get("/repos/demo/hello/tags", headers=token)
    again = sandbox.http.get("/repos/demo/hello/tags", headers=token | {"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    assert again.headers["x-ratelimit-used"] == first.headers["x-ratelimit-used"]
    git(sandbox.root / "demo" / "hello", "tag", "--force", "v1.2.0", "v1.1.0")
    changed = sandbox.http.get("/repos/demo/hello/tags", headers=token | {"if-none-match": first.headers["etag"]})
    git(sandbox.root / "demo" / "hello", "tag", "--delete", "v1.2.0")
    assert changed.status_code == 200


def test_requests_are_counted_and_the_limit_is_kept_for_each_caller(tmp_path: Path) -> None:
    with running_sandbox(tmp_path / "root", anonymous_limit=2, token_limit=5) as strict:
        answers = [strict.http.get("/repos/demo/hello") for _request in range(3)]
        assert [each.headers["x-ratelimit-remaining"] for each in answers] == ["1", "0", "0"]
        assert [each.status_code for each in answers] == [200, 200, 403]
        assert answers[2].json()["message"].startswith("API rate limit exceeded")
        assert answers[2].headers["x-ratelimit-resource"] == "core"
        with_token = strict.http.get("/repos/demo/hello", headers=bearer(strict.token))
        assert (with_token.status_code, with_token.headers["x-ratelimit-limit"]) == (200, "5")


def test_a_used_up_limit_is_free_again_after_its_hour() -> None:
    clock = iter([0.0, WINDOW_SECONDS - 1, WINDOW_SECONDS])
    limits = RateLimits(anonymous=1, with_token=2, now=lambda: next(clock))
    limits.window("ada", has_token=False).used += 1
    assert limits.window("ada", has_token=False).is_used_up
    assert not limits.window("ada", has_token=False).is_used_up


def test_what_was_asked_can_be_looked_at_without_its_token(sandbox: RunningSandbox) -> None:
    sandbox.http.get("/repos/demo/hello/tags?page=1", headers=bearer(sandbox.token))
    sandbox.http.get("/repos/demo/hello")
    first, second = sandbox.requests()
    assert (first["method"], first["path"], first["query"]) == ("GET", "/repos/demo/hello/tags", "page=1")
    assert (first["has_authorization"], second["has_authorization"]) == (True, False)
    assert sandbox.token not in str(first)


def test_a_taken_port_is_one_clear_line(sandbox: RunningSandbox) -> None:
    port = sandbox.url.rpartition(":")[2]
    command = [sys.executable, "-m", "sandbox", "--root", str(sandbox.root), "--port", port]
    second = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert second.returncode == 1
    assert second.stderr == (
        f"sandbox: cannot listen on 127.0.0.1 port {port}: Address already in use; "
        "end what holds it or give another --port\n"
    )


@pytest.mark.parametrize("path", ["/repos/demo/hello", "/_sandbox/requests", "/_sandbox/health", "/nothing"])
def test_a_website_that_leads_its_name_here_reads_nothing(sandbox: RunningSandbox, path: str) -> None:
    for host in ("evil.example", "evil.example:80", "192.168.1.4"):
        answer = sandbox.http.get(path, headers={"host": host})
        assert answer.status_code == 421
        assert "--allowed-host" in answer.json()["message"]
    assert sandbox.requests() == [], "it uses up no limit, and is no request to GitHub"


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"origin": "http://localhost:1", "sec-fetch-site": "same-site"},
    ],
    ids=str,
)
def test_a_website_orders_no_faults_and_changes_nothing(sandbox: RunningSandbox, headers: dict[str, str]) -> None:
    fault = {"route": "tags", "status": 500}
    for method, path, body in (
        ("POST", "/_sandbox/faults", fault),
        ("PUT", "/_sandbox/faults", [fault]),
        ("PUT", "/_sandbox/tarballs/x", {}),
        ("DELETE", "/_sandbox/faults", None),
        ("DELETE", "/_sandbox/requests", None),
    ):
        answer = sandbox.http.request(method, path, json=body, headers=headers)
        assert answer.status_code in {403, 421}, (method, path)
    assert json_at(sandbox, "/_sandbox/faults") == {"faults": []}


def test_a_name_that_was_given_is_answered(tmp_path: Path) -> None:
    with running_sandbox(tmp_path / "root", allowed_hosts=frozenset({"sandbox"})) as sandbox:
        own = {"host": "sandbox:8081", "origin": "http://sandbox:8081"}
        assert sandbox.http.get("/repos/demo/hello", headers=own).is_success
        assert sandbox.http.delete("/_sandbox/faults", headers=own).is_success
