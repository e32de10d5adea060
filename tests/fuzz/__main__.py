"""`python -m tests.fuzz`: send requests at random until there were enough, and show what was answered wrongly."""

import argparse
import asyncio
import random
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from process.ending import end_process
from tests.fuzz.served import served_for_fuzzing
from tests.fuzz.trial import Found, fuzz
from tests.support.servers.postgres import fresh_database, migrated_postgres

_INTERRUPTED = 130
_EXAMPLES = 300  # of each operation in a round, which then begins with an empty database


def main(words: Sequence[str]) -> int:
    arguments = _parser().parse_args(words)
    say = Console(highlight=False, soft_wrap=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # to end what was started, as after Ctrl-C
    say.print(f"seed {arguments.seed}: repeat it with --seed {arguments.seed}", markup=False)
    with tempfile.TemporaryDirectory(prefix="slipway-fuzz-") as folder:
        try:
            return asyncio.run(_fuzz(Path(folder), arguments.requests, arguments.seed, say))
        except KeyboardInterrupt:
            return _INTERRUPTED


async def _fuzz(folder: Path, wanted: int, seed: int, say: Console) -> int:
    requests, dirty = 0, 0
    async with migrated_postgres(folder / "postgres") as postgres:
        while requests < wanted:
            async with fresh_database(postgres) as url:
                found = await _round(url, Path(tempfile.mkdtemp(dir=folder)), seed)
            requests += found.requests
            dirty += not found.is_clean
            say.print(f"seed {seed}: {requests} of {wanted} requests", markup=False)
            if not found.is_clean:
                say.print(found.said, markup=False)
            seed += 1
    say.print("found nothing" if dirty == 0 else f"{dirty} rounds found something, see above", markup=False)
    return 1 if dirty else 0


async def _round(database_url: str, folder: Path, seed: int) -> Found:
    async with served_for_fuzzing(database_url, folder) as server:
        return await fuzz(server.url, folder, examples=_EXAMPLES, seed=seed)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("--requests", type=int, default=20_000, help="how many at least")
    parser.add_argument("--seed", type=int, default=random.randrange(2**31), help="of the first round")
    return parser


if __name__ == "__main__":
    end_process(main(sys.argv[1:]))
