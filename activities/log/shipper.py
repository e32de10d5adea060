"""Logs on their way from the builder's disk to Postgres: one commit a tick for all that build here."""

import asyncio
import logging
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from activities.ports.engine import EngineBuild, EngineProgress
from models.postgres.database import Database
from models.postgres.hints import Hints, build_topic
from models.repositories.log.chunks import LogChunks
from models.repositories.progress import ProgressRepository
from models.rules.errors.database import DATABASE_AWAY
from models.rules.log_chunk import LogBytes
from models.tables.execution import BuildExecution
from process.background import Background

log = logging.getLogger(__name__)

TICK = timedelta(milliseconds=100)
_PROGRESS_EVERY_SECONDS = 1.0
_MOST_PER_TICK = 1024 * 1024
_TAIL_BYTES = 4000
_MOST_FAILED_READS = 50  # five seconds of ticks


@dataclass
class _Shipment:
    """One log, and how much of it is stored."""

    execution: BuildExecution
    source: EngineBuild
    shipped: int = 0
    is_in_doubt: bool = False  # a commit failed, and may have been made all the same
    shown: EngineProgress = field(default_factory=EngineProgress)
    shown_at: float = 0.0
    failed_reads: int = 0  # in a row
    loss: str | None = None  # why its rest cannot be shipped
    is_ended: bool = False  # then its last progress does not wait for its time

    @property
    def token(self) -> int:
        return self.execution.token or 0

    def has_news(self, now: float) -> bool:
        return self.is_unshipped or self.is_progress_due(now)

    def is_progress_due(self, now: float) -> bool:
        is_time = self.is_ended or now - self.shown_at >= _PROGRESS_EVERY_SECONDS
        return is_time and self.source.progress != self.shown

    @property
    def is_unshipped(self) -> bool:
        return self.source.log_size > self.shipped and self.loss is None

    def give_up(self, why: str) -> None:
        self.loss = self.loss or f"The rest of this log is lost: the builder host cannot read it ({why})."


@dataclass(frozen=True)
class ShippedLog:
    size_bytes: int
    tail: str
    loss: str | None = None  # what could not be stored, and why


class LogShipper(Background):
    """Use as `async with LogShipper(…) as shipper`."""

    def __init__(self, database: Database, hints: Hints) -> None:
        self._database = database
        self._hints = hints
        self._shipments: dict[int, _Shipment] = {}
        self._work = asyncio.Event()
        self._turn = asyncio.Lock()

    def add(self, execution: BuildExecution, source: EngineBuild) -> None:
        """Ship this log from now on."""
        shipment = _Shipment(execution, source)
        self._shipments[shipment.token] = shipment
        self._work.set()

    async def finish(self, token: int) -> ShippedLog:
        """Ship what is left of an ended log; nothing was shipped of one that was never added. A repeat is harmless.

        Raises what DATABASE_AWAY names.
        """
        shipment = self._shipments.get(token)
        if shipment is None:
            return ShippedLog(0, "")
        shipment.is_ended = True
        while shipment.has_news(0):
            await self._ship([shipment])
        begins = max(0, shipment.shipped - _TAIL_BYTES)
        try:
            tail = await asyncio.to_thread(_read_at, shipment.source.log_path, begins, _TAIL_BYTES)
        except OSError:  # it is stored: only the preview is missing
            tail = b""
        return ShippedLog(shipment.shipped, tail.decode("utf-8", errors="replace"), shipment.loss)

    def forget(self, token: int) -> None:
        """Stop shipping a log: it is stored whole, or its execution was lost."""
        self._shipments.pop(token, None)

    async def _run(self) -> None:
        while True:
            await self._work.wait()
            if not self._shipments:
                self._work.clear()
                continue
            await asyncio.sleep(TICK.total_seconds())
            try:
                await self._ship(list(self._shipments.values()))
            except DATABASE_AWAY:
                log.warning("log_shipping_waits", extra={"logs": len(self._shipments)})
                await asyncio.sleep(1)
            except Exception:  # the outermost line of this task
                log.exception("log_shipping_defect", extra={"logs": len(self._shipments)})
                await asyncio.sleep(1)

    async def _ship(self, shipments: list[_Shipment]) -> None:
        """Store what is new of these logs in one commit. After a failed one the rows say how far each log is."""
        async with self._turn:
            now = asyncio.get_running_loop().time()
            due = [shipment for shipment in shipments if shipment.has_news(now)]
            if not due:
                return
            await self._settle_doubts(due)
            for shipment in due:
                shipment.is_in_doubt = True
            read = [await self._read_new(shipment) for shipment in due]
            progress = [shipment.source.progress for shipment in due]
            showing: list[tuple[_Shipment, EngineProgress]] = []
            async with self._database.transaction() as session:
                logs, progresses = LogChunks(session), ProgressRepository(session)
                for shipment, data, shown in zip(due, read, progress, strict=True):
                    execution = shipment.execution
                    if data:
                        await logs.add(shipment.token, execution.log_day, LogBytes(shipment.shipped, data))
                    if shipment.is_progress_due(now):
                        await progresses.show(
                            execution.build_id,
                            execution.attempt,
                            step=shown.step,
                            steps=shown.steps,
                            last_line=shown.last_line,
                        )
                        showing.append((shipment, shown))
            for shipment, shown in showing:
                shipment.shown, shipment.shown_at = shown, now
            for shipment, data in zip(due, read, strict=True):
                shipment.shipped += len(data)
                shipment.is_in_doubt = False
            self._hints.give(*(build_topic(shipment.execution.build_id) for shipment in due))

    async def _read_new(self, shipment: _Shipment) -> bytes:
        """Return what is new; a log that stays unreadable is given up, and keeps nobody waiting."""
        size = min(shipment.source.log_size - shipment.shipped, _MOST_PER_TICK)
        if size <= 0 or shipment.loss is not None:
            return b""
        try:
            data = await asyncio.to_thread(_read_at, shipment.source.log_path, shipment.shipped, size)
        except OSError as error:
            log.exception("log_unreadable", extra={"token": shipment.token})
            shipment.failed_reads += 1
            is_passing = not isinstance(error, FileNotFoundError) and shipment.failed_reads < _MOST_FAILED_READS
            if is_passing:  # too many open files, for one
                await asyncio.sleep(TICK.total_seconds())
            else:
                shipment.give_up(str(error.strerror))
            return b""
        shipment.failed_reads = 0
        if not data:
            shipment.give_up("it is shorter than it was")
        return data

    async def _settle_doubts(self, due: list[_Shipment]) -> None:
        doubtful = [shipment for shipment in due if shipment.is_in_doubt]
        if not doubtful:
            return
        async with self._database.transaction() as session:
            for shipment in doubtful:
                shipment.shipped = await LogChunks(session).size(shipment.token, shipment.execution.log_day)


def _read_at(path: Path, offset: int, size: int) -> bytes:
    with path.open("rb") as file:
        file.seek(offset)
        return file.read(size)
