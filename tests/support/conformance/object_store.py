"""What every object store does: each adapter's tests, and each fake's, run all of these."""

from pathlib import Path

import pytest

from activities.ports.object_store import ObjectStore

KEY = "source/octo/.github/0123abc.tar.gz"
NO_KEYS = [
    *("", "/etc/passwd", "a/../b", "..", ".", "a//b", "a/", "a b", "a\n", "a\0", "ü", "~incoming/x"),
    *("a" * 256, "a/" * 600),
]


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


async def stored(store: ObjectStore, folder: Path, key: str = KEY) -> bytes | None:
    into = folder / "fetched"
    is_there = await store.fetch(key, into)
    assert is_there == into.exists()
    try:
        return into.read_bytes() if is_there else None
    finally:
        into.unlink(missing_ok=True)
        assert not (folder / "fetched.partial").exists()


class ObjectStoreConformance:
    """Subclasses give the fixture `store`."""

    @pytest.fixture
    def file(self, tmp_path: Path) -> Path:
        return written(tmp_path / "download", b"content")

    async def test_what_was_put_is_found(self, store: ObjectStore, file: Path, tmp_path: Path) -> None:
        assert await stored(store, tmp_path) is None
        await store.put_file(KEY, file)
        assert await stored(store, tmp_path) == b"content"
        assert await stored(store, tmp_path) == b"content"

    async def test_an_empty_file_and_one_of_several_parts_come_whole(self, store: ObjectStore, tmp_path: Path) -> None:
        for content in (b"", bytes(range(256)) * 50_000):  # 12.8 MB: more than one part of an upload
            await store.put_file(KEY, written(tmp_path / "download", content))
            assert await stored(store, tmp_path) == content

    async def test_a_later_put_replaces_and_what_was_fetched_stays(
        self, store: ObjectStore, file: Path, tmp_path: Path
    ) -> None:
        await store.put_file(KEY, file)
        assert await store.fetch(KEY, tmp_path / "first")
        await store.put_file(KEY, written(tmp_path / "second", b"changed"))
        assert await stored(store, tmp_path) == b"changed"
        await store.delete(KEY)
        assert (tmp_path / "first").read_bytes() == b"content"

    async def test_a_fetch_writes_over_what_is_there(self, store: ObjectStore, file: Path, tmp_path: Path) -> None:
        into = written(tmp_path / "into", b"something longer than the object")
        assert not await store.fetch(KEY, into)
        assert into.read_bytes().startswith(b"something")
        await store.put_file(KEY, file)
        assert await store.fetch(KEY, into)
        assert into.read_bytes() == b"content"

    async def test_what_was_deleted_is_gone_and_may_be_deleted_again(
        self, store: ObjectStore, file: Path, tmp_path: Path
    ) -> None:
        await store.put_file(KEY, file)
        await store.delete(KEY)
        await store.delete(KEY)
        assert await stored(store, tmp_path) is None

    async def test_a_folder_of_objects_is_no_object(self, store: ObjectStore, file: Path, tmp_path: Path) -> None:
        await store.put_file(KEY, file)
        assert await stored(store, tmp_path, "source/octo") is None

    async def test_a_put_without_its_file_changes_nothing(self, store: ObjectStore, file: Path, tmp_path: Path) -> None:
        await store.put_file(KEY, file)
        with pytest.raises(FileNotFoundError):
            await store.put_file(KEY, tmp_path / "missing")
        assert await stored(store, tmp_path) == b"content"

    @pytest.mark.parametrize("key", NO_KEYS)
    async def test_a_key_that_could_name_something_else_is_a_defect(
        self, store: ObjectStore, file: Path, tmp_path: Path, key: str
    ) -> None:
        for call in (store.put_file(key, file), store.fetch(key, tmp_path / "into"), store.delete(key)):
            with pytest.raises(ValueError, match="no key of an object"):
                await call
