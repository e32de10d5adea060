"""Schemathesis as a program, against a served API: it sends what the description allows, and what it forbids."""

import asyncio
import json
import sys
from dataclasses import dataclass
from pathlib import Path

_REQUEST_SECONDS = 30
_LONGEST_SECONDS = 1800
# what fits its pattern may still not exist, be taken already, or break a rule that no pattern can say
_LEFT_OUT = "positive_data_acceptance"


@dataclass(frozen=True)
class Found:
    requests: int
    is_clean: bool
    said: str  # what was found, each with the request that shows it


async def fuzz(url: str, folder: Path, *, examples: int, seed: int) -> Found:
    """Try every operation `examples` times at random, beside the cases that its schema names, and in sequences.

    No answer may be a 5xx, of a status or shape that is not described, or a success for what is forbidden.
    """
    report = folder / "fuzz.json"
    command = [
        *(str(Path(sys.executable).with_name("schemathesis")), "run", f"{url}/openapi.json"),
        *("--checks", "all", "--exclude-checks", _LEFT_OUT, "--continue-on-failure"),
        *("--phases", "examples,coverage,fuzzing,stateful", "--max-examples", str(examples), "--seed", str(seed)),
        *("--request-timeout", str(_REQUEST_SECONDS), "--generation-database", "none", "--no-color"),
        *("--suppress-health-check", "all", "--warnings", "off", "--report-json-path", str(report)),
        # its threads would parse Python at once, of which Python 3.11 loses count
        *("--workers", "1"),
    ]
    program = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, cwd=folder
    )
    try:
        async with asyncio.timeout(_LONGEST_SECONDS):
            said, _ = await program.communicate()
    finally:
        if program.returncode is None:
            program.kill()
            await program.wait()
    told = json.loads(report.read_text())
    is_clean = program.returncode == 0 and told["complete"] and told["operations"]["errored"] == 0
    return Found(told["test_cases"]["generated"], is_clean, said.decode(errors="replace"))
