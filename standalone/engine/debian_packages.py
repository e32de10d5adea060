"""Packages of Debian and Ubuntu: installed where we are root, without starting the services that they bring."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from standalone.errors import CannotStart

_POLICY = Path("/usr/sbin/policy-rc.d")
_OURS = "# by Slipway, while it installs packages\n"
_TRIES = 3
_LONGEST = 600  # seconds for one run of apt-get
_LOCK_WAIT = "DPkg::Lock::Timeout=120"


def can_install() -> bool:
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def install(packages: tuple[str, ...], environment: Mapping[str, str]) -> None:
    """Raises CannotStart, with apt's last lines. A repeat is harmless."""
    words = ("install", "-y", "-qq", "--no-install-recommends", *packages)
    output = ""
    with _no_service_starts():
        for _ in range(_TRIES):
            apt_get(("update", "-qq"), environment)
            done, output = apt_get(words, environment)
            if done:
                return
    raise CannotStart(f"apt-get could not install {' '.join(packages)}:\n{output}")


def apt_get(words: tuple[str, ...], environment: Mapping[str, str], folder: Path | None = None) -> tuple[bool, str]:
    """Run apt-get with nobody to ask; return whether it succeeded, and its last lines."""
    quiet = {**environment, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        done = subprocess.run(
            ("apt-get", "-o", _LOCK_WAIT, *words),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=quiet,
            cwd=folder,
            timeout=_LONGEST,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False, f"apt-get {words[0]} took longer than {_LONGEST} s"
    return done.returncode == 0, "\n".join(done.stdout.splitlines()[-8:])


@contextmanager
def _no_service_starts() -> Iterator[None]:
    """Packages ask /usr/sbin/policy-rc.d before they start a service; 101 means no."""
    if _POLICY.exists() and _OURS not in _POLICY.read_text(errors="replace"):
        yield  # somebody's own rule stands
        return
    _POLICY.write_text(f"#!/bin/sh\n{_OURS}exit 101\n")
    _POLICY.chmod(0o755)
    try:
        yield
    finally:
        _POLICY.unlink(missing_ok=True)
