"""The GitHub look-alike fails as it is told to."""

import gzip
import zlib

import httpx
import pytest

from tests.support.servers.sandbox_server import RunningSandbox, json_at, make_repository


def _bytes_before(end: type[httpx.TransportError], download: httpx.Response) -> bytes:
    came = b""
    try:
        for chunk in download.iter_raw():
            came += chunk
    except end:
        return came
    raise AssertionError("the download came to its regular end")


def test_a_fault_meets_as_many_requests_of_its_kind_as_ordered(sandbox: RunningSandbox) -> None:
    make_repository(sandbox.root / "acme" / "faulty", {"a": "a"})
    sandbox.order(route="tags", repo="acme/faulty", status=503, times=2)
    statuses = [sandbox.http.get("/repos/acme/faulty/tags").status_code for _request in range(3)]
    assert statuses == [503, 503, 200]
    assert json_at(sandbox, "/_sandbox/faults")["faults"][0]["used"] == 2


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
    assert json_at(sandbox, "/_sandbox/faults") == {"faults": []}


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
