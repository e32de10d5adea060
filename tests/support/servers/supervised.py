"""A supervisor in a process of its own: real programs, real signals."""

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from standalone.processes import ProcessIdentity
from standalone.supervision.run_record import RunRecord

PATIENCE = timedelta(seconds=60)


@dataclass
class Supervised:
    folder: Path
    process: asyncio.subprocess.Process

    async def said(self, words: str) -> str:
        """Wait until the supervisor says a line that begins with `words`, and return the line."""
        assert self.process.stdout
        async with asyncio.timeout(PATIENCE.total_seconds()):
            async for line in self.process.stdout:
                if line.decode().startswith(words):
                    return line.decode().strip()
        raise AssertionError(f"the supervisor ended without a word of {words!r}")

    async def rest(self) -> str:
        assert self.process.stdout
        return (await self.process.stdout.read()).decode()

    def programs(self) -> dict[str, ProcessIdentity]:
        record = RunRecord.read(self.folder)
        assert record
        return record.programs

    def journal(self) -> list[str]:
        return (self.folder / "journal").read_text().splitlines()


@asynccontextmanager
async def supervised(
    folder: Path,
    *commands: str,
    module: str = "tests.support.servers.stand_in_stack",
    environment: Mapping[str, str] | None = None,
) -> AsyncIterator[Supervised]:
    """Run a supervisor of `folder` until the block ends: of stand-ins, unless another module is named."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        str(folder),
        *commands,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield Supervised(folder, process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()
