"""A whole build through the API, beside the same build by hand with the same cache, by each way of building."""

import asyncio
import time
from collections.abc import Callable, Mapping

from benchmarks.api_client import ApiClient
from benchmarks.measures.by_hand import HandBuild, HandBuilder
from benchmarks.measures.effort import Effort
from benchmarks.sources import HELLO, Source, commit_source
from benchmarks.stack import BenchStack
from benchmarks.table import Goal, Raw, Row, Series

_LARGEST_SHARE = 0.05
_LARGEST_MILLISECONDS = 500

ByHand = Callable[[Source, Mapping[str, str]], HandBuild]


async def measure(bench: BenchStack, effort: Effort) -> list[Row]:
    rows = list[Row]()
    with HandBuilder(bench) as hand:
        if bench.buildx is not None:
            rows += await _both(bench, hand.build_by_client, "buildx", effort)
        async with bench.over_the_plain_api():
            return rows + await _both(bench, hand.build, "Engine API", effort)


async def _both(bench: BenchStack, by_hand: ByHand, way: str, effort: Effort) -> list[Row]:
    return [
        await _cached(bench, by_hand, way, effort.cached_builds),
        await _new(bench, by_hand, way, effort.new_builds),
    ]


async def _cached(bench: BenchStack, by_hand: ByHand, way: str, count: int) -> Row:
    """The same tag again and again: the engine knows every step."""
    source = commit_source(bench.sources, "hello", f"v1-{_word(way)}", HELLO)
    await _by_api(bench.client, source)  # fills the cache for both
    mine, raw = list[float](), list[float]()
    for _ in range(count):
        mine.append(await _by_api(bench.client, source))
        raw.append((await asyncio.to_thread(by_hand, source, {})).milliseconds)
    return _row(f"whole build by {way}, every step cached", way, mine, raw)


async def _new(bench: BenchStack, by_hand: ByHand, way: str, count: int) -> Row:
    """A new tag of a new commit each time, and an ARG that no step after it has seen."""
    mine, raw = list[float](), list[float]()
    for number in range(count):
        for by in ("api", "hand"):
            release = f"{bench.prefix}-{_word(way)}-{by}-{number}"
            source = commit_source(bench.sources, "releases", release, HELLO)
            build_args = {"RELEASE": release}
            if by == "api":
                mine.append(await _by_api(bench.client, source, build_args))
            else:
                raw.append((await asyncio.to_thread(by_hand, source, build_args)).milliseconds)
    return _row(f"whole build by {way} of a new commit, RUN steps not cached", way, mine, raw)


def _word(way: str) -> str:
    return way.replace(" ", "-").lower()


async def _by_api(client: ApiClient, source: Source, build_args: Mapping[str, str] | None = None) -> float:
    began = time.perf_counter()
    await client.build(source, build_args)
    return (time.perf_counter() - began) * 1000


def _row(what: str, way: str, mine: list[float], raw: list[float]) -> Row:
    measured, by_hand = Series("ms", mine), Series("ms", raw)
    limit = max(_LARGEST_MILLISECONDS, _LARGEST_SHARE * by_hand.median)
    overhead = max(measured.median - by_hand.median, 0.0)
    goal = Goal("over raw at most max(5 %, 500 ms)", limit, overhead, "ms")
    return Row(what, measured, Raw(f"download + extract + {way}", by_hand), goal)
