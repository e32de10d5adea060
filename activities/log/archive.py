"""Ended logs as whole objects: what stays when a day's rows are dropped."""

import asyncio
import hashlib
import logging
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

import zstandard

from activities.disk import disk_failure
from activities.folders import remove_tree
from activities.ports.object_store import ObjectStore
from activities.work_area import WorkArea
from models.postgres.database import Database
from models.repositories.log.chunks import LogChunks
from models.repositories.log.facts import LogFacts
from models.rules.errors.database import DATABASE_AWAY
from models.rules.errors.domain import DomainError
from models.tables.execution import BuildExecution
from process.background import Background

log = logging.getLogger(__name__)

_PAGE = 1024 * 1024
_LOOK_AGAIN_SECONDS = 60.0  # for what a fault left undone


def log_key(build_id: object, attempt: int) -> str:
    return f"logs/{build_id}/{attempt}.log.zst"


class LogArchive(Background):
    """Keeps every ended log of one builder. Use as `async with LogArchive(…) as archive`.

    `running` are the tokens of executions that still write here: one that was lost may have an end before its log has.
    """

    def __init__(
        self, builder: str, database: Database, store: ObjectStore, area: WorkArea, running: Collection[int]
    ) -> None:
        self._builder = builder
        self._running = running
        self._database = database
        self._store = store
        self._area = area
        self._ended = asyncio.Event()
        self._ended.set()  # an earlier start may have left some

    def notice(self) -> None:
        """Say that an execution has ended."""
        self._ended.set()

    async def _run(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_AGAIN_SECONDS):
                    await self._ended.wait()
            self._ended.clear()
            try:
                await self._keep_all()
            except (DomainError, OSError) as error:
                log.warning("log_archive_waits", extra={"error": type(error).__name__})

    async def _keep_all(self) -> None:
        while True:
            async with self._database.transaction() as session:
                ended = await LogFacts(session).unkept(self._builder, but=self._running)
            kept = [await self._keep_or_tell(execution) for execution in ended]
            if not any(kept):
                return

    async def _keep_or_tell(self, execution: BuildExecution) -> bool:
        try:
            return await self._keep(execution)
        except DATABASE_AWAY:
            raise
        except OSError as error:
            log.warning("log_archive_waits", extra={"why": disk_failure(error, self._area.path).detail})
            return False
        except Exception:  # one log that cannot be kept must not hold up the others
            log.exception("log_not_archived", extra={"token": execution.token})
            return False

    async def _keep(self, execution: BuildExecution) -> bool:
        """Write one log as an object; False when it still grows.

        Idempotent: the key names the attempt, whose bytes no longer change.
        """
        token = execution.token or 0
        folder = self._area.path / f"log-{token}"
        key = log_key(execution.build_id, execution.attempt)
        try:
            await asyncio.to_thread(self._area.folder, folder.name)
            digest, size = await self._write(execution, folder / "log.zst")
            await self._store.put_file(key, folder / "log.zst")
        finally:
            await asyncio.to_thread(remove_tree, folder)  # also what a full disk left half-written
        async with self._database.transaction() as session:
            if await LogChunks(session).size(token, execution.log_day) > size:
                return False  # a builder that was taken for gone writes after all; a later look keeps the whole
            await LogFacts(session).keep(token, key=key, sha256=digest, size_bytes=size)
        return True

    async def _write(self, execution: BuildExecution, path: Path) -> tuple[str, int]:
        """Write the log as far as it is stored; return its sha256 and size."""
        digest, size = hashlib.sha256(), 0
        with path.open("wb") as file, zstandard.ZstdCompressor().stream_writer(file) as squeezed:
            while True:
                async with self._database.transaction() as session:
                    page = await LogChunks(session).read(execution.token or 0, execution.log_day, size, _PAGE)
                if not page.data:
                    return digest.hexdigest(), size
                digest.update(page.data)
                size = page.end
                await asyncio.to_thread(squeezed.write, page.data)
