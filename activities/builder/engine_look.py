"""What a builder host knows of its engine: looked at now and then, and whenever that is not good enough."""

import asyncio
import logging
from datetime import timedelta

from activities.builder.identity import BuilderIdentity
from activities.ports.engine import ContainerEngine, EngineInfo
from models.repositories.builder import BuilderReport
from models.rules.errors.domain import DomainError
from models.rules.redaction import Redaction

log = logging.getLogger(__name__)


class EngineLook:
    """`report` is what the host's beats say; `fault` why the engine does not answer, None while it does."""

    def __init__(self, engine: ContainerEngine, identity: BuilderIdentity, redaction: Redaction) -> None:
        self._engine = engine
        self._identity = identity
        self._redaction = redaction
        self.fault: DomainError | None = None
        self.report: BuilderReport
        self._looked = asyncio.Condition()

    async def look(self) -> BuilderReport:
        info: EngineInfo | None = None
        fault: DomainError | None = None
        try:
            info = await self._engine.info()
        except DomainError as failure:
            fault = self._redaction.error(failure)
        self.fault = fault
        self.report = BuilderReport(
            name=self._identity.name,
            incarnation=self._identity.incarnation,
            slots=self._identity.slots,
            engine_version=info.version if info is not None else None,
            engine_error=fault.detail if fault is not None else None,
            is_limited=info is not None and info.honours_limits,
            builds_by=info.builds_by if info is not None else None,
            clips_at=info.clips_at if info is not None else None,
        )
        async with self._looked:
            self._looked.notify_all()
        return self.report

    async def next_look(self) -> None:
        """Return when the engine has been looked at once more."""
        async with self._looked:
            await self._looked.wait()

    async def keep_looking(self, every: timedelta) -> None:
        """Keep the report fresh; the engine may answer slowly, or not at all."""
        while True:
            try:
                await self.look()
            except Exception:  # the outermost line of this task
                log.exception("engine_look_defect", extra={"builder": self._identity.name})
            await asyncio.sleep(every.total_seconds())
