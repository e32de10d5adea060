"""Programs out of Debian's next release, unpacked into a folder of ours: no package of the system changes.

Nobody needs to be root. The release is asked at the mirror that this machine's apt uses already.
"""

import os
import shutil
import subprocess
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from standalone.engine import debian_packages
from standalone.errors import CannotStart
from standalone.locks import lock

RELEASE = "forky"
_KEYS = Path(
    "/usr/share/keyrings/debian-archive-keyring.gpg"
)  # who has signed the release; of the package debian-archive-keyring
_TARGETS = ("indextargets", "--format", "$(COMPONENT) $(SITE)", "Created-By: Packages")
_UNPACK_SECONDS = 120
_OTHERS_AT_IT = timedelta(minutes=10)


def unpacked(packages: tuple[str, ...], folder: Path, environment: Mapping[str, str]) -> Path:
    """Return `folder` with the packages' files in it. A repeat costs nothing; several callers at once are safe.

    What the packages depend on is not brought. Raises CannotStart, saying what is missing.
    """
    with lock(folder.with_name(f"{folder.name}.lock"), within=_OTHERS_AT_IT) as is_ours:
        if not is_ours:
            raise CannotStart(f"another process has been filling {folder} for very long; look what it does")
        if not _holds(folder, packages):
            half = folder.with_name(f"{folder.name}.half")  # a folder of that name is whole, also after a kill
            shutil.rmtree(half, ignore_errors=True)
            _fill(half, packages, environment)
            shutil.rmtree(folder, ignore_errors=True)
            half.rename(folder)
    return folder


def _holds(folder: Path, packages: tuple[str, ...]) -> bool:
    listing = folder / "packages"
    return listing.exists() and listing.read_text().split() == list(packages)


def _fill(folder: Path, packages: tuple[str, ...], environment: Mapping[str, str]) -> None:
    path = environment.get("PATH")
    if not (shutil.which("apt-get", path=path) and shutil.which("dpkg-deb", path=path) and _KEYS.exists()):
        raise CannotStart(f"{' '.join(packages)} cannot be fetched here: that needs Debian's apt-get and {_KEYS}")
    apt = folder / "apt"
    for needed in ("lists/partial", "cache/archives/partial", "packages"):
        (apt / needed).mkdir(parents=True)
    said = "apt knows no mirror"
    for site in _mirrors(environment):
        (apt / "sources.list").write_text(f"deb [signed-by={_KEYS}] {site} {RELEASE} main\n")
        done, said = debian_packages.apt_get((*_own(apt), "update"), environment)
        if done:
            done, said = debian_packages.apt_get((*_own(apt), "download", *packages), environment, apt / "packages")
        if done:
            break
    else:
        raise CannotStart(f"{' '.join(packages)} cannot be fetched from Debian's release {RELEASE}:\n{said}")
    for package in sorted((apt / "packages").glob("*.deb")):
        _unpack(package, folder)
    shutil.rmtree(apt)
    (folder / "packages").write_text(" ".join(packages))


def _mirrors(environment: Mapping[str, str]) -> list[str]:
    """Return where this machine's apt finds packages, each address once. Debian's own is told by what it can give."""
    try:
        asked = subprocess.run(
            ("apt-get", *_TARGETS), capture_output=True, text=True, env=dict(environment), timeout=30, check=False
        )
    except subprocess.TimeoutExpired:
        return []
    targets = [line.partition(" ") for line in asked.stdout.splitlines()]
    return list(dict.fromkeys(site for component, _, site in targets if component == "main" and "security" not in site))


def _own(apt: Path) -> tuple[str, ...]:
    """Options that keep apt out of the system's lists, cache and locks; its proxies and the like stay."""
    options = {
        "Dir::Etc::SourceList": apt / "sources.list",
        "Dir::Etc::SourceParts": "/dev/null",
        "Dir::State::Lists": apt / "lists",
        "Dir::Cache": apt / "cache",
        "Acquire::Retries": 2,
        "Acquire::http::Timeout": 15,  # seconds; builds do not wait for a mirror that is out of reach
        "Acquire::https::Timeout": 15,
        "APT::Update::Error-Mode": "any",  # else a mirror without the release is a warning
        "APT::Sandbox::User": "root" if os.geteuid() == 0 else "",  # apt's own user may not write into the folder
    }
    return tuple(word for name, value in options.items() for word in ("-o", f"{name}={value}"))


def _unpack(package: Path, folder: Path) -> None:
    try:
        subprocess.run(
            ("dpkg-deb", "--extract", package, folder), capture_output=True, timeout=_UNPACK_SECONDS, check=True
        )
    except (subprocess.SubprocessError, OSError) as error:
        raise CannotStart(f"{package.name} cannot be unpacked: {error}") from error
