"""The GitHub look-alike answers as GitHub does."""

import gzip
import io
import subprocess
import sys
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox.git import git_directory
from sandbox.github.rate_limits import WINDOW_SECONDS, RateLimits
from sandbox.seed import SOURCES, SeedFailed, seed
from tests.support.servers.sandbox_server import RunningSandbox, git, make_repository, running_sandbox

UNKNOWN = {"message": "Not Found", "documentation_url": "https://docs.github.com/rest", "status": "404"}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    with running_sandbox(tmp_path_factory.mktemp("sandbox") / "root") as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(served: RunningSandbox) -> RunningSandbox:
    served.clear_faults()
    served.forget_requests()
    return served


def _json(sandbox: RunningSandbox, path: str) -> Any:
    return sandbox.http.get(path).raise_for_status().json()


def _bytes_before(end: type[httpx.TransportError], download: httpx.Response) -> bytes:
    came = b""
    try:
        for chunk in download.iter_raw():
            came += chunk
    except end:
        return came
    raise AssertionError("the download came to its regular end")


def _bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def test_a_repository_is_described(sandbox: RunningSandbox) -> None:
    body = _json(sandbox, "/repos/demo/hello")
    assert (body["full_name"], body["name"], body["owner"]["login"]) == ("demo/hello", "hello", "demo")
    assert (body["default_branch"], body["private"]) == ("main", False)


def test_a_repository_added_while_it_runs_is_served_bare_or_not(sandbox: RunningSandbox, tmp_path: Path) -> None:
    assert sandbox.http.get("/repos/acme/new").status_code == 404
    commit = make_repository(sandbox.root / "acme" / "new", {"a": "a"}, "v1")
    git(tmp_path, "clone", "--quiet", "--bare", str(sandbox.root / "acme" / "new"), str(sandbox.root / "acme" / "bare"))
    for name in ("new", "bare"):
        assert _json(sandbox, f"/repos/acme/{name}/git/ref/tags/v1")["object"]["sha"] == commit


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
    assert _json(sandbox, "/repos/demo/hello/git/ref/tags/v1.0.0")["object"]["type"] == "commit"
    annotated = _json(sandbox, "/repos/demo/hello/git/ref/tags/v1.1.0")
    assert (annotated["ref"], annotated["object"]["type"]) == ("refs/tags/v1.1.0", "tag")
    tag = sandbox.http.get(annotated["object"]["url"]).json()
    assert (tag["tag"], tag["message"]) == ("v1.1.0", "hello v1.1.0")
    assert tag["tagger"] == {"name": "Slipway", "email": "hello@slipway.invalid", "date": "2026-02-12T09:00:00Z"}
    assert tag["object"]["type"] == "commit"
    assert tag["verification"]["reason"] == "unsigned"


def test_all_tags_come_at_once_with_what_they_name(sandbox: RunningSandbox) -> None:
    listed = {each["ref"]: each for each in _json(sandbox, "/repos/demo/hello/git/matching-refs/tags/")}
    assert list(listed) == ["refs/tags/v1.0.0", "refs/tags/v1.1.0"]
    for name in ("v1.0.0", "v1.1.0"):
        assert listed[f"refs/tags/{name}"] == _json(sandbox, f"/repos/demo/hello/git/ref/tags/{name}")
    assert [each["ref"] for each in _json(sandbox, "/repos/demo/hello/git/matching-refs/tags/v1.1")] == [
        "refs/tags/v1.1.0"
    ]
    assert _json(sandbox, "/repos/demo/hello/git/matching-refs/tags/v9") == []


def test_a_commit_is_found_by_sha_branch_and_tag(sandbox: RunningSandbox) -> None:
    by_branch = _json(sandbox, "/repos/demo/hello/commits/main")
    assert by_branch == _json(sandbox, f"/repos/demo/hello/commits/{by_branch['sha']}")
    assert by_branch == _json(sandbox, f"/repos/demo/hello/commits/{by_branch['sha'][:7]}")
    assert by_branch == _json(sandbox, "/repos/demo/hello/commits/v1.1.0")
    assert by_branch["commit"]["message"] == "Say who answers"
    assert by_branch["commit"]["committer"]["date"] == "2026-02-12T09:00:00Z"
    parent = _json(sandbox, "/repos/demo/hello/git/ref/tags/v1.0.0")["object"]["sha"]
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
    sha = _json(sandbox, f"/repos/demo/hello/commits/{reference}")["sha"]
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
    redirect = sandbox.http.get("/repos/acme/private/tarball/v1", headers=_bearer(sandbox.token))
    assert b"plans" in gzip.decompress(sandbox.http.get(redirect.headers["location"]).content)


@pytest.mark.parametrize("authorization", ["Bearer wrong", "token wrong", "Basic c2FuZGJveA==", "Bearer"])
def test_a_wrong_token_is_401(sandbox: RunningSandbox, authorization: str) -> None:
    denied = sandbox.http.get("/repos/demo/hello", headers={"authorization": authorization})
    assert (denied.status_code, denied.json()["message"]) == (401, "Bad credentials")


def test_a_caller_that_does_not_name_itself_is_403(sandbox: RunningSandbox) -> None:
    assert sandbox.http.get("/repos/demo/hello", headers={"user-agent": ""}).status_code == 403


def test_an_answer_held_already_is_304_and_free_for_a_token(sandbox: RunningSandbox) -> None:
    token = _bearer(sandbox.token)
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
        with_token = strict.http.get("/repos/demo/hello", headers=_bearer(strict.token))
        assert (with_token.status_code, with_token.headers["x-ratelimit-limit"]) == (200, "5")


def test_a_used_up_limit_is_free_again_after_its_hour() -> None:
    clock = iter([0.0, WINDOW_SECONDS - 1, WINDOW_SECONDS])
    limits = RateLimits(anonymous=1, with_token=2, now=lambda: next(clock))
    limits.window("ada", has_token=False).used += 1
    assert limits.window("ada", has_token=False).is_used_up
    assert not limits.window("ada", has_token=False).is_used_up


def test_a_fault_meets_as_many_requests_of_its_kind_as_ordered(sandbox: RunningSandbox) -> None:
    make_repository(sandbox.root / "acme" / "faulty", {"a": "a"})
    sandbox.order(route="tags", repo="acme/faulty", status=503, times=2)
    statuses = [sandbox.http.get("/repos/acme/faulty/tags").status_code for _request in range(3)]
    assert statuses == [503, 503, 200]
    assert _json(sandbox, "/_sandbox/faults")["faults"][0]["used"] == 2


def test_a_fault_leaves_other_routes_and_repositories_alone(sandbox: RunningSandbox) -> None:
    sandbox.order(route="tags", repo="acme/other", status=500)
    assert sandbox.http.get("/repos/demo/hello/tags").status_code == 200
    sandbox.order(route="tags", status=500)
    assert sandbox.http.get("/repos/demo/hello").status_code == 200
    assert sandbox.http.get("/repos/demo/hello/tags").status_code == 500


def test_faults_can_be_replaced_and_cleared(sandbox: RunningSandbox) -> None:
    sandbox.order(status=500)
    replaced = sandbox.http.put("/_sandbox/faults", json=[{"route": "tags", "status": 404}])
    assert [fault["order"]["status"] for fault in replaced.json()["faults"]] == [404]
    assert sandbox.http.get("/repos/demo/hello").status_code == 200
    sandbox.clear_faults()
    assert sandbox.http.get("/repos/demo/hello/tags").status_code == 200


@pytest.mark.parametrize(
    "order",
    [
        {},
        {"status": 200},
        {"status": 500, "corrupt": True},
        {"route": "tags", "tarball": "x"},
        {"route": "tarball", "tarball": "not-there"},
        {"route": "tarball", "tarball": "../../../../etc/passwd"},
        {"route": "tarball", "tarball": "/etc/passwd"},
        {"route": "nowhere", "status": 500},
        {"stauts": 500},
    ],
    ids=str,
)
def test_an_order_that_makes_no_sense_is_refused(sandbox: RunningSandbox, order: dict[str, object]) -> None:
    assert sandbox.http.post("/_sandbox/faults", json=order).status_code == 422
    assert sandbox.http.put("/_sandbox/faults", json=[{"status": 500}, order]).status_code == 422
    assert _json(sandbox, "/_sandbox/faults") == {"faults": []}


def test_a_rate_limit_can_be_used_up_on_order(sandbox: RunningSandbox) -> None:
    sandbox.order(rate_limit="primary", times=1)
    sandbox.order(rate_limit="secondary", retry_after_seconds=7, times=1)
    primary, secondary = (sandbox.http.get("/repos/demo/hello") for _request in range(2))
    assert (primary.status_code, primary.headers["x-ratelimit-remaining"]) == (403, "0")
    assert (secondary.status_code, secondary.headers["retry-after"]) == (429, "7")


def test_a_download_can_be_cut_off_under_its_whole_length(sandbox: RunningSandbox) -> None:
    url = "/codeload/demo/hello/legacy.tar.gz/v1.0.0"
    whole = sandbox.http.get(url).content
    sandbox.order(route="tarball", cut_off_after_bytes=50, times=1)
    with sandbox.http.stream("GET", url) as download:
        assert int(download.headers["content-length"]) == len(whole)
        assert _bytes_before(httpx.RemoteProtocolError, download) == whole[:50]
    assert sandbox.http.get(url).content == whole


def test_a_download_can_stall_until_its_reader_leaves(sandbox: RunningSandbox) -> None:
    sandbox.order(route="tarball", stall_after_bytes=50, times=1)
    with sandbox.http.stream("GET", "/codeload/demo/hello/legacy.tar.gz/v1.0.0", timeout=0.2) as download:
        assert len(_bytes_before(httpx.ReadTimeout, download)) == 50


def test_a_corrupt_download_keeps_its_length(sandbox: RunningSandbox) -> None:
    url = "/codeload/demo/hello/legacy.tar.gz/v1.0.0"
    whole = sandbox.http.get(url).content
    sandbox.order(route="tarball", corrupt=True)
    corrupt = sandbox.http.get(url).content
    assert len(corrupt) == len(whole)
    with pytest.raises((gzip.BadGzipFile, EOFError, zlib.error)):
        gzip.decompress(corrupt)


def test_any_file_can_stand_in_for_the_tarball(sandbox: RunningSandbox) -> None:
    url = "/codeload/demo/hello/legacy.tar.gz/v1.0.0"
    (sandbox.root.parent / "beside.bin").write_bytes(b"beside")
    sandbox.upload("odd.tar.gz", b"uploaded")
    sandbox.upload("odd.tar.gz", b"uploaded again")
    sandbox.order(route="tarball", tarball="odd.tar.gz", times=1)
    sandbox.order(route="tarball", tarball="beside.bin", times=1)
    sandbox.order(route="tarball", tarball="odd.tar.gz", cut_off_after_bytes=3, times=1)
    assert sandbox.http.get(url).content == b"uploaded again"
    assert sandbox.http.get(url).content == b"beside"
    with pytest.raises(httpx.RemoteProtocolError):
        sandbox.http.get(url)


@pytest.mark.parametrize("name", [".hidden", "a%2Fb", "..", "x" * 101])
def test_an_uploads_name_stays_in_its_folder(sandbox: RunningSandbox, name: str) -> None:
    assert sandbox.http.put(f"/_sandbox/tarballs/{name}", content=b"x").status_code in {404, 405, 422}


def test_what_was_asked_can_be_looked_at_without_its_token(sandbox: RunningSandbox) -> None:
    sandbox.http.get("/repos/demo/hello/tags?page=1", headers=_bearer(sandbox.token))
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


def test_the_sample_product_has_the_same_commits_everywhere(tmp_path: Path) -> None:
    shas = [git(seed(tmp_path / name), "rev-parse", "v1.0.0", "v1.1.0", "HEAD") for name in ("one", "two")]
    assert shas[0] == shas[1]
    assert git(tmp_path / "one" / "demo" / "hello", "status", "--short") == ""


def test_each_version_of_the_sample_product_says_its_version(tmp_path: Path) -> None:
    hello = seed(tmp_path)
    for tag in ("v1.0.0", "v1.1.0"):
        dockerfile = git(hello, "show", f"{tag}:Dockerfile")
        assert dockerfile.startswith("FROM busybox:1.36\n")
        assert f"assemble.sh {tag.removeprefix('v')}" in dockerfile


def test_each_version_of_the_sample_product_holds_its_own_files(tmp_path: Path) -> None:
    hello = seed(tmp_path)
    for tag in ("v1.0.0", "v1.1.0"):
        sources = SOURCES / tag
        names = sorted(path.relative_to(sources).as_posix() for path in sources.rglob("*") if path.is_file())
        assert git(hello, "ls-tree", "-r", "--name-only", tag).splitlines() == names
        for name in names:
            assert git(hello, "show", f"{tag}:{name}") == (sources / name).read_text().strip()


def test_seeding_again_leaves_what_the_user_has_made_of_it(tmp_path: Path) -> None:
    hello = seed(tmp_path)
    git(hello, "commit", "--quiet", "--allow-empty", "--message=Mine")
    mine = git(hello, "rev-parse", "HEAD")
    assert seed(tmp_path) == hello
    assert git(hello, "rev-parse", "HEAD") == mine
    assert [each.name for each in tmp_path.iterdir()] == ["demo"]


def test_seeding_moves_no_folder_of_the_user_out_of_the_way(tmp_path: Path) -> None:
    (tmp_path / "demo" / "hello").mkdir(parents=True)
    (tmp_path / "demo" / "hello" / "notes.txt").write_text("mine")
    with pytest.raises(SeedFailed, match="is in the way"):
        seed(tmp_path)
    assert git_directory(tmp_path / "demo" / "hello") is None
    assert (tmp_path / "demo" / "hello" / "notes.txt").read_text() == "mine"


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
    assert _json(sandbox, "/_sandbox/faults") == {"faults": []}


def test_a_name_that_was_given_is_answered(tmp_path: Path) -> None:
    with running_sandbox(tmp_path / "root", allowed_hosts=frozenset({"sandbox"})) as sandbox:
        own = {"host": "sandbox:8081", "origin": "http://sandbox:8081"}
        assert sandbox.http.get("/repos/demo/hello", headers=own).is_success
        assert sandbox.http.delete("/_sandbox/faults", headers=own).is_success
