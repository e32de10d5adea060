"""An API to be fuzzed: real HTTP over a real Postgres and the GitHub look-alike, whose builds end at once.

So every endpoint meets images in every state, and a stream that somebody opens comes to its end.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from activities.ports.runs import RunAddress
from tests.support.builds.addresses import build_of
from tests.support.builds.api_builds import ReportingBuilder
from tests.support.servers.api_server import FakeRuns, RunningApi, running_api
from tests.support.servers.sandbox_server import running_sandbox

_PLENTY = 1_000_000
_BEAT_SECONDS = 5.0  # a builder that is not heard of for 15 s is gone
# text of every length, and bytes that are no UTF-8
_LOG = "Step 1/2 : FROM scratch\nStep 2/2 : RUN x\n€ 😀\r\n".encode() + b"\x00\xff\xfe end\n"


@dataclass
class SettlingRuns(FakeRuns):
    """Hands each build that is delivered for the first time to whoever settles it."""

    delivered: "asyncio.Queue[UUID]" = field(default_factory=asyncio.Queue)
    _seen: set[UUID] = field(default_factory=set)

    async def poke(self, run: RunAddress) -> None:
        build_id = build_of(run)
        if build_id not in self._seen:
            self._seen.add(build_id)
            self.delivered.put_nowait(build_id)


@asynccontextmanager
async def served_for_fuzzing(database_url: str, folder: Path) -> AsyncIterator[RunningApi]:
    runs = SettlingRuns()
    with running_sandbox(folder / "sandbox") as sandbox:
        async with running_api(
            database_url, folder, github_url=sandbox.url, runs=runs, queue_limit=_PLENTY, has_github_token=True
        ) as running:
            builder = ReportingBuilder(running.api.given.deliveries, running.api.given.hints)
            await builder.register()
            tasks = [asyncio.create_task(_beat(builder)), asyncio.create_task(_settle(builder, runs))]
            try:
                yield running
            finally:
                for task in tasks:
                    task.cancel()
                for task in tasks:
                    with suppress(asyncio.CancelledError):
                        await task  # raises what ended it before its time


async def _beat(builder: ReportingBuilder) -> None:
    while True:
        await builder.register()
        await asyncio.sleep(_BEAT_SECONDS)


async def _settle(builder: ReportingBuilder, runs: SettlingRuns) -> None:
    """End one build after the other, every second one in a failure."""
    is_success = False
    while True:
        build_id = await runs.delivered.get()
        checkpoint = await builder.claim(str(build_id))
        attempt = await builder.attempt(build_id)
        await builder.write(attempt, _LOG)
        is_success = not is_success
        await builder.end(attempt, "succeeded" if is_success else "failed", tail="end\n")
        if is_success:
            await builder.succeed(checkpoint)
        else:
            await builder.fail(checkpoint, "Docker build failed: exit code 1")
