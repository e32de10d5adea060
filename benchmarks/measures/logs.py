"""How much log goes through without a loss."""

import asyncio
import time
from dataclasses import dataclass, field

from benchmarks.api_client import LogPart
from benchmarks.measures.by_hand import HandBuilder
from benchmarks.measures.effort import Effort
from benchmarks.sources import Source, commit_source, numbered_lines, writing_lines
from benchmarks.stack import BenchStack
from benchmarks.table import Goal, Raw, Row, Series

_WANTED = 5000  # lines a second
_OFFERED = 7000  # a step that pauses is slower than it says; 0.56 MB/s, and the engine clips at 1 MiB/s


@dataclass
class PacedLog:
    """A log as it came."""

    parts: list[LogPart] = field(default_factory=list)

    @property
    def data(self) -> bytes:
        return b"".join(part.data for part in self.parts)

    @property
    def lines_a_second(self) -> float:
        return self.data.count(b"\n") / (self.parts[-1].at - self.parts[0].at)

    @property
    def lines_by_second(self) -> list[float]:
        """Lines of each whole second between the first and the last."""
        began, ended = self.parts[0].at, self.parts[-1].at
        counts = [0.0] * max(int(ended - began), 1)
        for part in self.parts:
            second = int(part.at - began)
            if second < len(counts):
                counts[second] += part.data.count(b"\n")
        return counts


async def measure(bench: BenchStack, effort: Effort) -> list[Row]:
    count = effort.log_seconds * _OFFERED
    mine, raw = PacedLog(), PacedLog()
    image = await bench.client.order(_source(bench, count, "api"))
    async for part in bench.client.log(image["id"]):
        mine.parts.append(part)
    await bench.client.built(image["id"])
    source = _source(bench, count, "hand")
    with HandBuilder(bench) as hand:
        await asyncio.to_thread(hand.build, source, None, lambda log: raw.parts.append(LogPart(log, time.time())))
    flaw = flaw_of(mine.data, await bench.client.stored_log(image["id"]), count)
    lines = Series("lines/s", mine.lines_by_second)
    goal = Goal("≥ 5,000 lines/s, none lost", _WANTED, mine.lines_a_second, "lines/s", is_at_least=True, flaw=flaw)
    bare_reader = Raw("reader of the Engine API", Series("lines/s", raw.lines_by_second))
    return [Row(f"log lines at an SSE client, by second, of {count:,}", lines, bare_reader, goal)]


def flaw_of(streamed: bytes, stored: bytes, count: int) -> str:
    """Say what is wrong with a log of so many numbered lines; nothing when it is whole."""
    if numbered_lines(count) not in stored:
        return f"the log is not whole: {stored.count(b'x' + chr(10).encode()):,} of {count:,} lines are stored"
    if streamed != stored:
        return f"the stream brought {len(streamed):,} bytes of {len(stored):,}"
    return ""


def _source(bench: BenchStack, count: int, by: str) -> Source:
    dockerfile = writing_lines(count, _OFFERED, f"{bench.prefix}-{by}")
    return commit_source(bench.sources, f"paced-{by}", "v1", {"Dockerfile": dockerfile})
