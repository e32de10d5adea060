"""A supervisor over stand-ins: `python -m tests.support.servers.stand_in_stack FOLDER [NAME=SHELL_COMMAND…]`.

Each program writes "<name> ends" to FOLDER/journal when it is asked to end, or is the given shell command instead.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

from standalone.errors import CannotStart
from standalone.programs import Program
from standalone.stack import Member, Stack
from standalone.supervision.supervisor import Moment, Patience, supervise

NAMES = ("postgres", "temporal", "worker", "api")
_UNTIL_ASKED = """
    trap 'echo "$0 ends" >> "$1"; exit 0' TERM INT
    exec 3<> <(:)  # a pipe on which nobody writes: waiting there needs no process of its own
    echo "$0 runs"
    while :; do read -r -u 3; done
"""
_QUICK = Patience(first=timedelta(milliseconds=50), longest=timedelta(milliseconds=200))


def stand_in_stack(folder: Path, commands: dict[str, str]) -> Stack:
    members = []
    for name in NAMES:
        script = commands.get(name, _UNTIL_ASKED)
        command = ("/bin/bash", "-c", script, name, str(folder / "journal"))
        needs = frozenset(NAMES[:2]) if name in NAMES[2:] else frozenset[str]()
        members.append(Member(Program(name=name, command=command, is_ready=_says_so(folder, name)), needs))
    return Stack(folder, tuple(members))


def _says_so(folder: Path, name: str) -> Callable[[], Awaitable[bool]]:
    async def is_ready() -> bool:
        log = folder / "logs" / f"{name}.log"
        return f"{name} runs" in await asyncio.to_thread(log.read_text)

    return is_ready


def tell(moment: Moment) -> None:
    print(moment.kind, moment.program, moment.detail, flush=True)  # noqa: T201  # what the test reads


def main() -> int:
    folder, *commands = sys.argv[1:]
    stack = stand_in_stack(Path(folder), dict(command.split("=", 1) for command in commands))
    try:
        asyncio.run(supervise(stack, tell, _QUICK))
    except CannotStart as refusal:
        print(f"refused: {refusal}", flush=True)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
