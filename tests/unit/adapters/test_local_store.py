import fcntl
import os
from pathlib import Path

import pytest

from activities.adapters.object_store.local import LocalStore
from tests.support.conformance.object_store import KEY, ObjectStoreConformance, stored, written


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "store")


class TestLocalStore(ObjectStoreConformance):
    pass


async def test_a_file_of_another_file_system_is_copied(store: LocalStore, tmp_path: Path) -> None:
    """Memory that looks like a file lies on no disk, so it cannot be renamed onto one."""
    handle = os.memfd_create("download")
    try:
        os.write(handle, b"far away")
        await store.put_file(KEY, Path(f"/proc/self/fd/{handle}"))
    finally:
        os.close(handle)
    assert await stored(store, tmp_path) == b"far away"
    assert not list((tmp_path / "store" / "~incoming").iterdir())


async def test_a_sweep_removes_what_an_interrupted_put_left_and_nothing_else(store: LocalStore, tmp_path: Path) -> None:
    assert await store.sweep() == 0
    await store.put_file(KEY, written(tmp_path / "download", b"content"))
    incoming = tmp_path / "store" / "~incoming"
    incoming.mkdir()
    written(incoming / "leftover", b"half")
    with (incoming / "under-way").open("xb") as copy:
        fcntl.flock(copy, fcntl.LOCK_EX)
        assert await store.sweep() == 1
        assert [path.name for path in incoming.iterdir()] == ["under-way"]
    assert await store.sweep() == 1
    assert await stored(store, tmp_path) == b"content"
