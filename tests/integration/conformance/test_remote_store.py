"""The shared object store: over S3's own protocol, on a mounted folder, and in memory."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import obstore
import pytest
from moto.server import ThreadedMotoServer
from obstore.store import from_url

from activities.adapters.object_store.remote import RemoteStore
from models.rules.errors.storage import StorageRefused, StorageUnreachable
from standalone.free_ports import LOOPBACK, free_port
from tests.support.conformance.object_store import KEY, ObjectStoreConformance, written

_SIGNED = "AWS4-HMAC-SHA256 Credential=an-id/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"


class Bucket:
    """A bucket of its own at a stand-in for S3, which looks at no signature."""

    def __init__(self, endpoint: str) -> None:
        self.name = f"slipway-{uuid4().hex}"
        self.options = {
            "endpoint": endpoint,
            "region": "us-east-1",
            "access_key_id": "an-id",
            "secret_access_key": "a-secret",
        }
        made = httpx.put(f"{endpoint}/{self.name}", headers={"Authorization": _SIGNED})
        assert made.status_code == httpx.codes.OK, made.text

    def names(self) -> list[str]:
        settings: Any = {"config": self.options, "client_options": {"allow_http": True}}
        whole = from_url(f"s3://{self.name}", **settings)
        return [entry["path"] for page in obstore.list(whole) for entry in page]


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(LOOPBACK, free_port(), verbose=False)
    server.start()
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()


@pytest.fixture
def bucket(endpoint: str) -> Bucket:
    return Bucket(endpoint)


class TestS3(ObjectStoreConformance):
    @pytest.fixture
    def store(self, bucket: Bucket) -> RemoteStore:
        return RemoteStore(f"s3://{bucket.name}/a/prefix", bucket.options)

    async def test_keys_lie_below_the_prefix(self, store: RemoteStore, bucket: Bucket, file: Path) -> None:
        await store.put_file(KEY, file)
        assert bucket.names() == [f"a/prefix/{KEY}"]
        assert store.backend == "s3"


class TestMountedFolder(ObjectStoreConformance):
    @pytest.fixture
    def store(self, tmp_path: Path) -> RemoteStore:
        return RemoteStore(f"file://{tmp_path}/shared", {})


class TestMemory(ObjectStoreConformance):
    @pytest.fixture
    def store(self) -> RemoteStore:
        return RemoteStore("memory:///", {})


async def test_a_store_that_does_not_answer_passes_by_itself(bucket: Bucket, tmp_path: Path) -> None:
    options = bucket.options | {"endpoint": f"http://{LOOPBACK}:{free_port()}"}
    store = RemoteStore(f"s3://{bucket.name}", options)
    with pytest.raises(StorageUnreachable, match=bucket.name):
        await store.fetch(KEY, tmp_path / "into")
    assert not (tmp_path / "into").exists()


async def test_a_bucket_that_is_not_there_is_named(bucket: Bucket, tmp_path: Path) -> None:
    store = RemoteStore("s3://nobody-made-this", bucket.options)
    with pytest.raises(StorageRefused, match="nobody-made-this"):
        await store.put_file(KEY, written(tmp_path / "download", b"content"))


@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("ftp://host/folder", {}),
        ("bucket/prefix", {}),
        ("s3://", {}),
        ("s3://bucket", {"colour": "blue"}),
        ("", {}),
    ],
)
def test_settings_that_make_no_store_are_refused_in_a_sentence(url: str, options: dict[str, str]) -> None:
    with pytest.raises(StorageRefused, match="SLIPWAY_OBJECT_STORE"):
        RemoteStore(url, options)
