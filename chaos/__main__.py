"""`python -m chaos`: take parts of the product away and its builds' runs, at random, and look whether all holds.

Prints a table; the exit code is 1 when something was broken. Rounds that were played are in a file, so that a run that
was interrupted goes on; a round is played again by its cell and seed.
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from rich.console import Console

from activities.adapters.temporal import connect
from chaos.deeds import CELLS
from chaos.record import Record
from chaos.rounds import play
from process.ending import end_process
from settings import Settings
from standalone.locks import lock
from tests.support.servers.product import running_product

_INTERRUPTED = 130


def main(words: Sequence[str]) -> int:
    arguments = _parser().parse_args(words)
    folder = Settings().data_dir.resolve() / "chaos"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    console = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 160)
    record = Record(folder / "rounds.json", arguments.seed)
    cells = arguments.cells.split() or list(CELLS)
    if unknown := set(cells) - set(CELLS):
        console.print(f"there is no cell {', '.join(sorted(unknown))}; there are {', '.join(CELLS)}", markup=False)
        return 1
    with lock(folder.with_name("chaos.lock")) as is_ours:
        if not is_ours:
            console.print(f"another chaos runs with {folder}", markup=False)
            return 1
        try:
            asyncio.run(_play(folder, record, cells, arguments, partial(console.print, markup=False)))
        except KeyboardInterrupt:
            return _INTERRUPTED
        finally:
            console.print(record.table(cells))
    return 0 if record.is_whole else 1


async def _play(
    folder: Path, record: Record, cells: Sequence[str], arguments: argparse.Namespace, say: "partial[None]"
) -> None:
    """Play what was not played yet, round by round through all cells, on a product of its own."""
    open_rounds = [
        (cell, record.seed * 1000 + number)
        for number in range(arguments.rounds)
        for cell in cells
        if not record.has(cell, record.seed * 1000 + number)
    ]
    if not open_rounds:
        return
    settings = {"drain_timeout": 5, "builder_slots": 2, "github_timeout": 4, "source_timeout": 60}
    async with running_product(folder / f"product-{record.seed}-{len(open_rounds)}", **settings) as product:
        client = await connect(lazy=False, address=product.temporal_address)
        for place, (cell, seed) in enumerate(open_rounds, start=1):
            outcome = await play(product, client, cell, seed, arguments.longest)
            record.keep(cell, seed, outcome)
            say(f"[{place}/{len(open_rounds)}] {cell}/{seed}: {'; '.join(outcome.told)}")
            for fault, sentence in outcome.found:
                say(f"    {fault}: {sentence}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="chaos", description=__doc__)
    parser.add_argument("--cells", default="", help=f"names of cells, parted by spaces; all of them: {' '.join(CELLS)}")
    parser.add_argument("--rounds", type=int, default=12, help="rounds of each cell")
    parser.add_argument("--seed", type=int, default=None, help="another one begins anew; default: that of before, or 1")
    parser.add_argument("--longest", type=float, default=300.0, help="of an outage, in seconds")
    return parser


if __name__ == "__main__":
    end_process(main(sys.argv[1:]))
