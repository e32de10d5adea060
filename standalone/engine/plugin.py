"""Docker's plugin buildx for this machine's builder: found, or brought from Debian's next release.

It comes into the data folder, not to where Docker keeps its plugins: so it needs no root, is nobody else's, and goes
with the folder. Whoever wants it for the command line too installs the package of his system.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

from activities.adapters.docker.buildx.plugin import BuildxPlugin, find_buildx
from standalone.engine.next_release import unpacked
from standalone.errors import CannotStart

_PACKAGE = "docker-buildx"


def ensure_buildx(data_dir: Path, environment: Mapping[str, str], say: Callable[[str], None]) -> BuildxPlugin:
    """Return the plugin; one that is there stays as it is. Raises CannotStart, saying what to install."""
    found = find_buildx(data_dir)
    if found is not None:
        return found
    say("bringing Docker's plugin buildx (apt)")
    try:
        unpacked((_PACKAGE,), data_dir.absolute() / _PACKAGE, environment)
    except CannotStart as refusal:
        raise CannotStart(
            f"there is no Docker plugin buildx; install docker-buildx-plugin or docker-buildx: {refusal}"
        ) from refusal
    found = find_buildx(data_dir)
    if found is None:
        raise CannotStart(f"the plugin buildx in {data_dir / _PACKAGE} does not run on this system")
    return found
