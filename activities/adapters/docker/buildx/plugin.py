"""Docker's plugin buildx on this host: the client whose sessions give a build what a tar cannot."""

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

PROGRAM = "docker-buildx"
# where Docker's own client looks for plugins (docker/cli, cli-plugins/manager)
PLUGIN_FOLDERS = (
    Path("/usr/local/lib/docker/cli-plugins"),
    Path("/usr/local/libexec/docker/cli-plugins"),
    Path("/usr/lib/docker/cli-plugins"),
    Path("/usr/libexec/docker/cli-plugins"),
)
_OWN = Path("docker-buildx/usr/libexec/docker/cli-plugins")  # below the data folder: where `make engine` unpacks it
_OLDEST = (0, 13)  # the first that tells its progress as JSON
_VERSION = re.compile(r"\bv?(\d+)\.(\d+)\.\d+\S*")
_ANSWER_SECONDS = 10


@dataclass(frozen=True)
class BuildxPlugin:
    path: Path
    version: str


def find_buildx(data_dir: Path) -> BuildxPlugin | None:
    """Return the first that is new enough: where Docker keeps plugins, on the PATH, or brought by us. Blocks."""
    on_path = shutil.which(PROGRAM)
    places = [folder / PROGRAM for folder in PLUGIN_FOLDERS]
    places += [Path(on_path)] if on_path else []
    places.append(data_dir.absolute() / _OWN / PROGRAM)
    for place in places:
        version = _version(place) if place.is_file() else None
        if version is not None:
            return BuildxPlugin(place, version)
    return None


def _version(program: Path) -> str | None:
    """Return None for what is too old, or does not run here."""
    try:
        said = subprocess.run(  # noqa: S603 - a program of a fixed name
            (program, "version"), capture_output=True, text=True, errors="replace", timeout=_ANSWER_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    version = _VERSION.search(said.stdout)
    if said.returncode != 0 or version is None or (int(version[1]), int(version[2])) < _OLDEST:
        return None
    return version[0].removeprefix("v")
