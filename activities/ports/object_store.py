"""Where whole files are kept by key."""

from pathlib import Path
from typing import Protocol


class ObjectStore(Protocol):
    """Whole files by key. Keys are relative paths of `[A-Za-z0-9._-]` parts; a put is all or nothing."""

    async def put_file(self, key: str, path: Path) -> None:
        """Store the file's bytes; a repeat replaces. The file at `path` may be gone afterwards."""
        ...

    async def path_of(self, key: str) -> Path | None:
        """Return a local path to read the object from, None when there is none. Never write to it."""
        ...

    async def delete(self, key: str) -> None:
        """Remove the object; nothing happens when there is none."""
        ...
