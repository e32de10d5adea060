import fcntl
import os
from pathlib import Path

import pytest

from activities.adapters.object_store.local import LocalStore
from activities.ports.object_store import ObjectStore

KEY = "source/octo/.github/0123abc.tar.gz"


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "store")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return written(tmp_path / "download", b"content")


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


async def stored(store: ObjectStore, key: str = KEY) -> bytes | None:
    path = await store.path_of(key)
    return None if path is None else path.read_bytes()


async def test_what_was_put_is_found(store: LocalStore, file: Path) -> None:
    assert await stored(store) is None
    await store.put_file(KEY, file)
    assert await stored(store) == b"content"


async def test_a_later_put_replaces_and_earlier_readers_read_on(store: LocalStore, file: Path, tmp_path: Path) -> None:
    await store.put_file(KEY, file)
    path = await store.path_of(KEY)
    assert path is not None
    with path.open("rb") as reader:
        await store.put_file(KEY, written(tmp_path / "second", b"changed"))
        assert reader.read() == b"content"
    assert await stored(store) == b"changed"


async def test_what_was_deleted_is_gone_and_may_be_deleted_again(store: LocalStore, file: Path) -> None:
    await store.put_file(KEY, file)
    await store.delete(KEY)
    await store.delete(KEY)
    assert await stored(store) is None


async def test_a_folder_of_objects_is_no_object(store: LocalStore, file: Path) -> None:
    await store.put_file(KEY, file)
    assert await store.path_of("source/octo") is None


async def test_a_put_without_its_file_changes_nothing(store: LocalStore, file: Path, tmp_path: Path) -> None:
    await store.put_file(KEY, file)
    with pytest.raises(FileNotFoundError):
        await store.put_file(KEY, tmp_path / "missing")
    assert await stored(store) == b"content"


async def test_a_file_of_another_file_system_is_copied(store: LocalStore, tmp_path: Path) -> None:
    """Memory that looks like a file lies on no disk, so it cannot be renamed onto one."""
    handle = os.memfd_create("download")
    try:
        os.write(handle, b"far away")
        await store.put_file(KEY, Path(f"/proc/self/fd/{handle}"))
    finally:
        os.close(handle)
    assert await stored(store) == b"far away"
    assert not list((tmp_path / "store" / "~incoming").iterdir())


async def test_a_sweep_removes_what_an_interrupted_put_left_and_nothing_else(
    store: LocalStore, file: Path, tmp_path: Path
) -> None:
    assert await store.sweep() == 0
    await store.put_file(KEY, file)
    incoming = tmp_path / "store" / "~incoming"
    incoming.mkdir()
    written(incoming / "leftover", b"half")
    with (incoming / "under-way").open("xb") as copy:
        fcntl.flock(copy, fcntl.LOCK_EX)
        assert await store.sweep() == 1
        assert [path.name for path in incoming.iterdir()] == ["under-way"]
    assert await store.sweep() == 1
    assert await stored(store) == b"content"


@pytest.mark.parametrize(
    "key",
    [
        "",
        "/etc/passwd",
        "a/../b",
        "..",
        ".",
        "a//b",
        "a/",
        "a b",
        "a\n",
        "a\0",
        "ü",
        "~incoming/x",
        "a" * 256,
        "a/" * 600,
    ],
)
async def test_a_key_that_could_name_something_else_is_a_defect(store: LocalStore, file: Path, key: str) -> None:
    for call in (store.put_file(key, file), store.path_of(key), store.delete(key)):
        with pytest.raises(ValueError, match="no key of an object"):
            await call
