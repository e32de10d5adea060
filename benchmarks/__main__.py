"""`python -m benchmarks`: measure the whole product on this machine and print a table.

Nothing is asserted: a goal that is missed is a row that says so. The exit code is 1 when something could not be
measured, else 0.
"""

import argparse
import asyncio
import gc
import json
import os
import platform
import shutil
import signal
import sys
from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from activities.adapters.docker.buildx.plugin import find_buildx
from benchmarks.measures import builds, latency, lists, logs, memory, workflows
from benchmarks.measures.effort import QUICK, THOROUGH, Effort
from benchmarks.run import Measurement, Report, Say, measure_all
from benchmarks.stack import BenchStack, running_stack
from benchmarks.table import Row, show
from process.ending import end_process
from settings import Settings
from standalone.errors import CannotStart
from standalone.locks import lock

_LONGEST = timedelta(minutes=14)  # starting and stopping the product come on top
_INTERRUPTED = 130

Measure = Callable[[BenchStack, Effort], Coroutine[Any, Any, list[Row]]]
MEASUREMENTS: dict[str, Measure] = {
    "builds": builds.measure,
    "first-looks": latency.measure_first_looks,
    "memory": memory.measure,  # before other large logs, which might make room that is only used again here
    "lines": latency.measure_lines,
    "logs": logs.measure,
    "workflows": workflows.measure,
    "lists": lists.measure,
}


def main(words: Sequence[str]) -> int:
    arguments = _parser().parse_args(words)
    told = Console(stderr=True, highlight=False, soft_wrap=True)
    say = partial(told.print, markup=False)
    gc.collect()
    gc.freeze()  # what was imported is not looked through again and again while somebody's milliseconds are counted
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # to end what was started, as after Ctrl-C
    settings = Settings()
    folder = settings.data_dir.resolve() / "bench"
    try:
        with lock(folder.with_name("bench.lock")) as is_ours:
            if not is_ours:
                raise CannotStart(f"another bench runs with {folder}; two at once would measure each other")
            plugin = find_buildx(settings.data_dir)
            buildx = plugin.path if plugin is not None else None
            report = asyncio.run(_measure(folder, settings.engine_url, buildx, arguments, say))
    except CannotStart as refusal:
        say(str(refusal))
        return 1
    except KeyboardInterrupt:
        return _INTERRUPTED
    _tell(report, arguments, Console(highlight=False, soft_wrap=True))
    return 1 if report.not_measured else 0


async def _measure(
    folder: Path, engine_url: str, buildx: Path | None, arguments: argparse.Namespace, say: Say
) -> Report:
    effort = QUICK if arguments.quick else THOROUGH
    chosen = {name: measure for name, measure in MEASUREMENTS.items() if name in (arguments.only or MEASUREMENTS)}
    shutil.rmtree(folder, ignore_errors=True)  # what a killed bench left
    try:
        say("starting a Slipway of its own …")
        async with running_stack(folder, engine_url, os.environ["PATH"], buildx) as bench:
            measurements = [Measurement(name, partial(measure, bench, effort)) for name, measure in chosen.items()]
            return await measure_all(measurements, _LONGEST, say)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _tell(report: Report, arguments: argparse.Namespace, console: Console) -> None:
    cores, load = os.cpu_count() or 0, os.getloadavg()[0]
    when = datetime.now(UTC)
    title = f"Slipway on {cores} cores, {when:%Y-%m-%d %H:%M} UTC{', quick' if arguments.quick else ''}"
    show(report.rows, title, console)
    for name, why in report.not_measured.items():
        console.print(f"not measured: {name}: {why}", markup=False)
    if arguments.json:
        machine = {"cores": cores, "load": load, "system": platform.platform(), "python": platform.python_version()}
        body = {
            "at": when.isoformat(),
            "quick": arguments.quick,
            "machine": machine,
            "rows": [row.as_json() for row in report.rows],
            "not_measured": report.not_measured,
        }
        arguments.json.write_text(json.dumps(body, indent=2) + "\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure Slipway on this machine.")
    parser.add_argument("--quick", action="store_true", help="fewer runs, fewer rows: a look, not a figure to quote")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to a file as well")
    parser.add_argument("--only", nargs="+", choices=[*MEASUREMENTS], metavar="NAME", help=", ".join(MEASUREMENTS))
    return parser


if __name__ == "__main__":
    end_process(main(sys.argv[1:]))
