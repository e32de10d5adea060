"""The object store of a single host: a folder."""

import asyncio
import contextlib
import errno
import fcntl
import os
import shutil
import uuid
from pathlib import Path

from activities.adapters.object_store.keys import parts_of
from activities.disk import writing_below

# another file system, one without hard links, or a file with too many
_NO_LINK = {errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP}
_INCOMING = "~incoming"  # no key can name it


class LocalStore:
    """An ObjectStore. `put_file` takes the file itself over where it lies on the store's own file system."""

    backend = "local"

    def __init__(self, root: Path) -> None:
        self._root = root
        self._incoming = root / _INCOMING

    def path_of(self, key: str) -> Path:
        """Return where the object lies, or would. Not of the port: another host would find nothing there."""
        return self._root.joinpath(*parts_of(key))

    async def put_file(self, key: str, path: Path) -> None:
        place = self.path_of(key)
        with writing_below(self._root):
            await asyncio.to_thread(self._put_file, place, path)

    async def fetch(self, key: str, into: Path) -> bool:
        with writing_below(into.parent):
            return await asyncio.to_thread(self._fetch, self.path_of(key), into)

    async def delete(self, key: str) -> None:
        # Folders stay, even empty: a put in another process may be about to use one.
        await asyncio.to_thread(self.path_of(key).unlink, missing_ok=True)

    async def sweep(self) -> int:
        """Remove what interrupted puts left; return how many. Puts that are under way, in any process, go on."""
        return await asyncio.to_thread(self._sweep)

    def _fetch(self, place: Path, into: Path) -> bool:
        partial = into.with_name(f"{into.name}.partial")
        partial.unlink(missing_ok=True)
        try:
            if not place.is_file():
                return False
            try:
                partial.hardlink_to(place)  # a later put gives the key another file; this one stays as it is
            except OSError as error:
                if error.errno not in _NO_LINK:
                    raise
                shutil.copyfile(place, partial)
            partial.replace(into)
        except FileNotFoundError:  # deleted meanwhile
            return False
        finally:
            partial.unlink(missing_ok=True)
        return True

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
