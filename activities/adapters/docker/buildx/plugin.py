"""Docker's plugin buildx on this host: the client whose sessions give a build what a tar cannot."""

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from models.rules.errors.engine import EngineRefused

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


def chosen_buildx(setting: str, data_dir: Path) -> BuildxPlugin | None:
    """Return what the setting says: "off" is none, "auto" the first that is found, else the plugin at that path.

    Blocks. Raises EngineRefused when there is none at the path, or it is too old.
    """
    if setting == "off":
        return None
    if setting == "auto":
        return find_buildx(data_dir)
    path = Path(setting).absolute()
    version = _version(path)
    if version is None:
        raise EngineRefused(f"SLIPWAY_BUILDX names {path}, which is no buildx 0.13 or newer; correct it, or say auto.")
    return BuildxPlugin(path, version)


def find_buildx(data_dir: Path) -> BuildxPlugin | None:
    """Return the first that is new enough: where Docker keeps plugins, on the PATH, or brought by us. Blocks."""
    on_path = shutil.which(PROGRAM)
    places = [folder / PROGRAM for folder in PLUGIN_FOLDERS]
    places += [Path(on_path)] if on_path else []
    places.append(data_dir.absolute() / _OWN / PROGRAM)
    found = ((place, _version(place)) for place in places if place.is_file())
    return next((BuildxPlugin(place, version) for place, version in found if version is not None), None)


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
