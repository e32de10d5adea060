"""The product's own stack, asked often whether it serves: `python -m tests.support.servers.quick_stack FOLDER`.

Its settings come from the environment, as those of `python -m standalone run`.
"""

import asyncio
import os
import sys
from datetime import timedelta
from pathlib import Path

from settings import Settings
from standalone.liveness import Watch
from standalone.stack import standalone_stack
from standalone.supervision.supervisor import Patience, supervise
from tests.support.servers.stand_in_stack import tell

_OFTEN = Watch(every=timedelta(seconds=0.5), answer_within=timedelta(seconds=3), failures=2)


def main() -> int:
    stack = standalone_stack(Settings(data_dir=Path(sys.argv[1])), os.environ)
    asyncio.run(supervise(stack, tell, Patience(first=timedelta(milliseconds=50)), _OFTEN))
    return 0


if __name__ == "__main__":
    sys.exit(main())
