"""A whole build through the API, beside the same build by hand with the same cache."""

import asyncio
import time
from collections.abc import Mapping

from benchmarks.api_client import ApiClient
from benchmarks.measures.by_hand import HandBuilder
from benchmarks.measures.effort import Effort
from benchmarks.sources import HELLO, Source, commit_source
from benchmarks.stack import BenchStack
from benchmarks.table import Goal, Raw, Row, Series

_LARGEST_SHARE = 0.05
_LARGEST_MILLISECONDS = 500
_BY_HAND = "download + extract + Engine API"


async def measure(bench: BenchStack, effort: Effort) -> list[Row]:
    with HandBuilder(bench) as hand:
        return [await _cached(bench, hand, effort.cached_builds), await _new(bench, hand, effort.new_builds)]


async def _cached(bench: BenchStack, hand: HandBuilder, count: int) -> Row:
    """The same tag again and again: the engine knows every step."""
    source = commit_source(bench.sources, "hello", "v1", HELLO)
    await _by_api(bench.client, source)  # fills the cache for both
    mine, raw = list[float](), list[float]()
    for _ in range(count):
        mine.append(await _by_api(bench.client, source))
        raw.append((await asyncio.to_thread(hand.build, source)).milliseconds)
    return _row("whole build, every step cached", mine, raw)


async def _new(bench: BenchStack, hand: HandBuilder, count: int) -> Row:
    """A new tag of a new commit each time, and an ARG that no step after it has seen."""
    mine, raw = list[float](), list[float]()
    for number in range(count):
        for by in ("api", "hand"):
            release = f"{bench.prefix}-{by}-{number}"
            source = commit_source(bench.sources, "releases", release, HELLO)
            build_args = {"RELEASE": release}
            if by == "api":
                mine.append(await _by_api(bench.client, source, build_args))
            else:
                raw.append((await asyncio.to_thread(hand.build, source, build_args)).milliseconds)
    return _row("whole build of a new commit, RUN steps not cached", mine, raw)


async def _by_api(client: ApiClient, source: Source, build_args: Mapping[str, str] | None = None) -> float:
    began = time.perf_counter()
    await client.build(source, build_args)
    return (time.perf_counter() - began) * 1000


def _row(what: str, mine: list[float], raw: list[float]) -> Row:
    measured, by_hand = Series("ms", mine), Series("ms", raw)
    limit = max(_LARGEST_MILLISECONDS, _LARGEST_SHARE * by_hand.median)
    overhead = max(measured.median - by_hand.median, 0.0)
    goal = Goal("over raw at most max(5 %, 500 ms)", limit, overhead, "ms")
    return Row(what, measured, Raw(_BY_HAND, by_hand), goal)
