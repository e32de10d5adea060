"""Where whole files are kept by key: on this host, or where every host finds them."""

from pathlib import Path
from typing import Protocol


class ObjectStore(Protocol):
    """Whole files by key. Keys are relative paths of `[A-Za-z0-9._-]` parts; a put is all or nothing.

    Each call is bounded in time, and may raise StorageUnreachable, which passes by itself, HostDiskFailed where this
    host's disk is full, or StorageRefused, which does not pass: the store's settings or rights are wrong. A key that is
    none is a defect: ValueError.
    """

    @property
    def backend(self) -> str:
        """What it is, in the words of an artifact's `storage_backend`: local, s3, azure_blob, gcp_storage."""
        ...

    async def put_file(self, key: str, path: Path) -> None:
        """Store the file's bytes; a repeat replaces. The file at `path` may be gone afterwards.

        Raises FileNotFoundError when there is none, and changes nothing then.
        """
        ...

    async def fetch(self, key: str, into: Path) -> bool:
        """Write the object to the path `into`, all or nothing, over what is there; False when there is no such object.

        Never write to that file: it may share its bytes with the store's own. A later put or delete leaves it alone.
        """
        ...

    async def delete(self, key: str) -> None:
        """Remove the object; nothing happens when there is none."""
        ...
