"""How much memory a large log takes in the processes that it passes through."""

import asyncio
from pathlib import Path

from benchmarks.measures.effort import Effort
from benchmarks.sources import HELLO, commit_source, writing_lines
from benchmarks.stack import BenchStack
from benchmarks.table import Goal, Raw, Row, Series

_LARGEST_GROWTH_MEGABYTES = 64
_LINES_A_SECOND = 9400  # 0.75 MB/s, which makes 30 MB in 40 s; the engine clips at 1 MiB/s
_LOOK_SECONDS = 0.2
_WARM_UP_BUILDS = 3


async def measure(bench: BenchStack, effort: Effort) -> list[Row]:
    """One reader follows the log meanwhile. What was taken before counts as before: a few builds have warmed up."""
    small = commit_source(bench.sources, "small", "v1", HELLO)
    for _ in range(_WARM_UP_BUILDS):
        image = await bench.client.build(small)
        await _read_log(bench, image["id"])
    count = effort.large_log_seconds * _LINES_A_SECOND
    dockerfile = writing_lines(count, _LINES_A_SECOND, bench.prefix)
    large = commit_source(bench.sources, "large", "v1", {"Dockerfile": dockerfile})
    names = ("worker", "api")
    before = {name: rss_megabytes(bench.pid(name)) for name in names}
    samples: dict[str, list[float]] = {name: [] for name in names}
    image = await bench.client.order(large)
    reading = asyncio.create_task(_read_log(bench, image["id"]))
    while not reading.done():
        for name in names:
            samples[name].append(rss_megabytes(bench.pid(name)))
        await asyncio.wait((reading,), timeout=_LOOK_SECONDS)
    megabytes = (await reading) / 1e6
    await bench.client.built(image["id"])
    return [_row(name, megabytes, before[name], samples[name]) for name in names]


def rss_megabytes(pid: int) -> float:
    """Return a process's resident memory in MB, as Linux tells it."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == "VmRSS":
            return int(value.split()[0]) * 1024 / 1e6
    raise ProcessLookupError(f"process {pid} has no memory: it has ended")


async def _read_log(bench: BenchStack, image_id: int) -> int:
    return sum([len(part.data) async for part in bench.client.log(image_id)])


def _row(name: str, megabytes: float, before: float, samples: list[float]) -> Row:
    taken = Series("MB", samples)
    goal = Goal("growth < 64 MB", _LARGEST_GROWTH_MEGABYTES, max(taken.worst - before, 0.0), "MB")
    return Row(f"RSS of {name}, log of {megabytes:.0f} MB", taken, Raw("RSS before", Series("MB", [before])), goal)
