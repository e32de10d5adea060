"""Files that may stand in for a tarball: uploads, and what lies around the root."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

_UPLOADS = ".tarballs"  # begins with a dot, so that it is never taken for an owner
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_LARGEST_BYTES = 1024 * 1024 * 1024


class TarballRefused(Exception):
    """The upload's name or size is not allowed."""


class Tarballs:
    def __init__(self, root: Path) -> None:
        self._uploads = root / _UPLOADS
        self._around = root.parent.resolve()

    async def keep(self, name: str, chunks: AsyncIterator[bytes]) -> int:
        """Store an upload, all or nothing, and return its size in bytes; a repeat replaces. Raises TarballRefused."""
        if not _NAME.fullmatch(name):
            raise TarballRefused("a name has letters, digits, dots, dashes and underscores, 100 at most")
        await asyncio.to_thread(self._uploads.mkdir, parents=True, exist_ok=True)
        partial = self._uploads / f".{uuid4().hex}"
        size_bytes = 0
        try:
            async for chunk in chunks:
                size_bytes += len(chunk)
                if size_bytes > _LARGEST_BYTES:
                    raise TarballRefused(f"an upload has {_LARGEST_BYTES} bytes at most")
                await asyncio.to_thread(_append, partial, chunk)
            await asyncio.to_thread(partial.replace, self._uploads / name)
        finally:
            await asyncio.to_thread(partial.unlink, missing_ok=True)
        return size_bytes

    def find(self, reference: str) -> Path | None:
        """Return the upload of that name, or the file of that path when it lies below the folder around the root."""
        if _NAME.fullmatch(reference) and (self._uploads / reference).is_file():
            return self._uploads / reference
        path = (self._around / reference).resolve()
        return path if path.is_relative_to(self._around) and path.is_file() else None


def _append(path: Path, chunk: bytes) -> None:
    with path.open("ab") as file:
        file.write(chunk)
