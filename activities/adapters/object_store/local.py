"""The object store of a single host: a folder."""

import asyncio
import contextlib
import errno
import fcntl
import os
import re
import shutil
import uuid
from pathlib import Path

_KEY_PART = re.compile(r"[A-Za-z0-9._-]{1,255}")
_LONGEST_KEY = 1024
_INCOMING = "~incoming"  # no key can name it


class LocalStore:
    """An ObjectStore. `put_file` takes the file itself over where it lies on the store's own file system."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._incoming = root / _INCOMING

    async def put_file(self, key: str, path: Path) -> None:
        await asyncio.to_thread(self._put_file, self._place(key), path)

    async def path_of(self, key: str) -> Path | None:
        place = self._place(key)
        return place if await asyncio.to_thread(place.is_file) else None

    async def delete(self, key: str) -> None:
        # Folders stay, even empty: a put in another process may be about to use one.
        await asyncio.to_thread(self._place(key).unlink, missing_ok=True)

    async def sweep(self) -> int:
        """Remove what interrupted puts left; return how many. Puts that are under way, in any process, go on."""
        return await asyncio.to_thread(self._sweep)

    def _place(self, key: str) -> Path:
        parts = key.split("/")
        if len(key) > _LONGEST_KEY or not all(_KEY_PART.fullmatch(part) and part not in (".", "..") for part in parts):
            raise ValueError(f"no key of an object: {key[:_LONGEST_KEY]!r}")
        return self._root.joinpath(*parts)

    def _put_file(self, place: Path, path: Path) -> None:
        place.parent.mkdir(parents=True, exist_ok=True)
        with path.open("rb") as file:
            os.fsync(file.fileno())
        try:
            path.replace(place)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            self._copy_file(place, path)
        _sync_folder(place.parent)

    def _copy_file(self, place: Path, path: Path) -> None:
        self._incoming.mkdir(parents=True, exist_ok=True)
        copy = self._incoming / uuid.uuid4().hex
        try:
            with path.open("rb") as source, copy.open("xb") as target:
                fcntl.flock(target, fcntl.LOCK_EX)  # tells sweeps that it is alive; ends with the process
                shutil.copyfileobj(source, target, 1024 * 1024)
                target.flush()
                os.fsync(target.fileno())
                copy.replace(place)
        except BaseException:
            copy.unlink(missing_ok=True)
            raise

    def _sweep(self) -> int:
        swept = 0
        for leftover in self._incoming.glob("*"):
            with contextlib.suppress(FileNotFoundError, BlockingIOError), leftover.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                leftover.unlink()
                swept += 1
        return swept


def _sync_folder(folder: Path) -> None:
    """Make a rename last: a file's name belongs to its folder's contents."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
