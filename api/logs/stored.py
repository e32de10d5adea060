"""Reading stored logs: from the database's rows, and from the whole log as an object where the rows are gone."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from uuid import uuid4

import zstandard

from activities.folders import remove_tree
from activities.ports.object_store import ObjectStore
from activities.work_area import WorkArea
from api.logs.text import as_text
from models.postgres.database import Database, Session
from models.repositories.log.chunks import LogChunks
from models.repositories.log.facts import StoredLog

_PAGE = 256 * 1024
_MOST_SHOWN = 1024 * 1024
_FETCHED = "log.zst"


class StoredLogs:
    def __init__(self, database: Database, store: ObjectStore, area: WorkArea) -> None:
        self._database = database
        self._store = store
        self._area = area

    async def size(self, log: StoredLog) -> int:
        """Return how many bytes there are to read now."""
        async with self._database.transaction() as session:
            return await _size(session, log)

    async def pages(self, log: StoredLog, offset: int, end: int) -> AsyncGenerator[bytes, None]:
        """Yield the bytes from `offset` up to `end`, each page by a connection of its own for a moment.

        Raises DatabaseUnreachable or PoolExhausted, also in the middle.
        """
        while offset < end:
            page = await self._page(log, offset, min(_PAGE, end - offset))
            if not page:
                break
            offset += len(page)
            yield page
        if offset < end and log.key is not None:  # the day's rows were dropped, perhaps just now
            async with aclosing(self._object_pages(log.key, offset, end)) as pages:
                async for page in pages:
                    yield page

    async def text(self, session: Session, log: StoredLog, *, whole: str, lines: int | None) -> str:
        """Return the newest 1 MiB, or its last `lines`, as text; `whole` says where the whole log is found."""
        size = await _size(session, log)
        start = max(0, size - _MOST_SHOWN)
        if log.token is None or log.day is None or size == 0:
            return ""
        data = (await LogChunks(session).read(log.token, log.day, start, size - start)).data[: size - start]
        if not data:
            data = b"".join([page async for page in self.pages(log, start, size)])
        return as_text(data, cut_bytes=start, is_complete=log.is_complete, lines=lines, whole=whole)

    async def _object_pages(self, key: str, offset: int, end: int) -> AsyncGenerator[bytes, None]:
        """Yield from the log's object, fetched for as long as it is read. Nothing when it is gone."""
        folder = await asyncio.to_thread(self._area.folder, f"log-{uuid4().hex}")
        try:
            if await self._store.fetch(key, folder / _FETCHED):
                async with aclosing(_unsqueezed(folder / _FETCHED, offset, end)) as pages:
                    async for page in pages:
                        yield page
        finally:
            await asyncio.to_thread(remove_tree, folder)

    async def _page(self, log: StoredLog, offset: int, most_bytes: int) -> bytes:
        if log.token is None or log.day is None:
            return b""
        async with self._database.transaction() as session:
            found = await LogChunks(session).read(log.token, log.day, offset, most_bytes)
        return found.data[:most_bytes] if found.offset == offset else b""


async def _size(session: Session, log: StoredLog) -> int:
    if log.token is None or log.day is None:
        return 0
    stored = await LogChunks(session).size(log.token, log.day)
    return stored or (log.size_bytes or 0 if log.key is not None else 0)


async def _unsqueezed(path: Path, offset: int, end: int) -> AsyncGenerator[bytes, None]:
    with path.open("rb") as file, zstandard.ZstdDecompressor().stream_reader(file) as plain:
        place = 0
        while place < end:
            page = await asyncio.to_thread(plain.read, min(_PAGE, end - place))
            if not page:
                return
            wanted = page[max(0, offset - place) :]
            place += len(page)
            if wanted:
                yield wanted
