"""How soon something is seen: a build that begins, its log's first line, a line that a step has just written."""

import asyncio
import time
from datetime import UTC, datetime
from uuid import uuid4

from temporalio.client import Client

from benchmarks.api_client import ApiClient, NotMeasurable
from benchmarks.measures.bare_workflow import QUEUE, BareRun, BareWorkflow
from benchmarks.measures.by_hand import HandBuilder
from benchmarks.measures.effort import Effort
from benchmarks.sources import HELLO, Source, commit_source, stamping_lines
from benchmarks.stack import BenchStack
from benchmarks.table import Raw, Row, Series, limit_on
from benchmarks.workers import bare_worker

_LOOK_SECONDS = 0.01
_BUILDING_WITHIN = 300  # milliseconds
_FIRST_LINE_WITHIN = 1500
_LINE_WITHIN = 300
_STAMP = b"at "


async def measure_first_looks(bench: BenchStack, effort: Effort) -> list[Row]:
    """Builds one at a time, looked at each 10 ms until they are building, then followed to their first log line."""
    source = commit_source(bench.sources, "watched", "v1", HELLO)
    await bench.client.build(source)
    building, first_line, bare, by_hand = (list[float]() for _ in range(4))
    with HandBuilder(bench) as hand:
        async with bare_worker(bench.temporal_address) as temporal:
            for _ in range(effort.first_looks):
                seen = await _watch(bench.client, source)
                building.append(seen[0])
                first_line.append(seen[1])
                bare.append(await _first_activity(temporal))
                by_hand.append((await asyncio.to_thread(hand.build, source)).milliseconds_to_log)
    began, lines = Series("ms", building), Series("ms", first_line)
    return [
        Row(
            "POST → building, seen by GET",
            began,
            Raw("bare workflow: start → first activity", Series("ms", bare)),
            limit_on(95, _BUILDING_WITHIN, began),
        ),
        Row(
            "POST → first log line at an SSE client",
            lines,
            Raw("by hand: download → first line", Series("ms", by_hand)),
            limit_on(95, _FIRST_LINE_WITHIN, lines),
        ),
    ]


async def measure_lines(bench: BenchStack, effort: Effort) -> list[Row]:
    """A step writes the time about twenty times a second; a reader compares with its own clock, the same machine's."""
    mine, raw = StampReader(), StampReader()
    image = await bench.client.order(_stamping(bench, effort, "api"))
    async for part in bench.client.log(image["id"]):
        mine.feed(part.data, part.at)
    await bench.client.built(image["id"])
    source = _stamping(bench, effort, "hand")
    with HandBuilder(bench) as hand:
        await asyncio.to_thread(hand.build, source, None, lambda log: raw.feed(log, time.time()))
    for reader in (mine, raw):
        if len(reader.milliseconds) != effort.stamped_lines:
            raise NotMeasurable(f"{len(reader.milliseconds)} of {effort.stamped_lines} lines came with their time")
    lines = Series("ms", mine.milliseconds)
    bare_reader = Raw("line → reader of the Engine API", Series("ms", raw.milliseconds))
    return [Row("a step's line → SSE client", lines, bare_reader, limit_on(95, _LINE_WITHIN, lines))]


class StampReader:
    """Reads a log as it comes, and finds out how old each line is that says when it was written."""

    def __init__(self) -> None:
        self.milliseconds: list[float] = []
        self._rest = b""

    def feed(self, log: bytes, at: float) -> None:
        """Take the log's next bytes, which were there at this moment."""
        *lines, self._rest = (self._rest + log).split(b"\n")
        stamped = (line.removeprefix(_STAMP) for line in lines if line.startswith(_STAMP))
        self.milliseconds += [(at - _moment(line.decode())) * 1000 for line in stamped]


def _moment(stamp: str) -> float:
    """Read `2026-01-31 12:00:00.123456789 +0000`, as stat writes it in a container, whose time zone is UTC."""
    seconds, _, fraction = stamp.partition(".")
    whole = datetime.strptime(seconds, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    return whole.timestamp() + float(f"0.{fraction.split()[0]}")


def _stamping(bench: BenchStack, effort: Effort, by: str) -> Source:
    dockerfile = stamping_lines(effort.stamped_lines, f"{bench.prefix}-{by}")
    return commit_source(bench.sources, f"stamping-{by}", "v1", {"Dockerfile": dockerfile})


async def _watch(client: ApiClient, source: Source) -> tuple[float, float]:
    """Build once; return after how many milliseconds it was building, and had a first line."""
    began = time.perf_counter()
    image = await client.order(source)
    while image["build_status"] == "pending":
        await asyncio.sleep(_LOOK_SECONDS)
        image = await client.image(image["id"])
    building = time.perf_counter() - began
    first_line = 0.0
    async for _part in client.log(image["id"]):
        first_line = first_line or time.perf_counter() - began
    await client.built(image["id"])
    return building * 1000, first_line * 1000


async def _first_activity(temporal: Client) -> float:
    began = time.time()
    ran_at = await temporal.execute_workflow(BareWorkflow.run, BareRun(), id=f"bench-bare/{uuid4()}", task_queue=QUEUE)
    return (ran_at - began) * 1000
