"""How much of a step's log an engine is told to pass on: two variables in dockerd's environment, BuildKit's own."""

import re
from collections.abc import Mapping

UNLIMITED: Mapping[str, str] = {"BUILDKIT_STEP_LOG_MAX_SPEED": "-1", "BUILDKIT_STEP_LOG_MAX_SIZE": "-1"}
# Engine 20.10 may lose a whole log above 1 MiB/s, and takes -1 for "nothing"; both numbers must fit 32 bits.
MOST_OF_OLD: Mapping[str, str] = {
    "BUILDKIT_STEP_LOG_MAX_SPEED": "1048576",
    "BUILDKIT_STEP_LOG_MAX_SIZE": "2147483647",
}
_UNLIMITED_SINCE = 28  # the oldest that was seen to take -1 for "no limit"
_MAJOR = re.compile(r"\bversion (\d+)\.")


def most_of(version_line: str) -> Mapping[str, str]:
    """Return what an engine can bear, by what `dockerd --version` says of it."""
    major = _MAJOR.search(version_line)
    return UNLIMITED if major is not None and int(major[1]) >= _UNLIMITED_SINCE else MOST_OF_OLD
