"""The part of the cgroup tree (v1 and v2) where an engine's BuildKit steps run: limits for them, and orphans in it."""

import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_TREE = Path("/sys/fs/cgroup")
_LOOK_AGAIN = 0.02  # seconds
_CPU_PERIOD = 100_000  # microseconds
_NO_LIMIT = 1 << 60  # bytes: the first version of the tree shows no limit as the largest number of whole pages


@dataclass(frozen=True)
class StepLimits:
    """What all running build steps of the engine may take together; None: everything."""

    memory_bytes: int | None = None
    cpus: float | None = None


def end_orphaned_steps(cgroup: str, tree: Path = _TREE) -> int:
    """End the build steps of an engine that is gone, and return how many.

    They are children of no shim: they outlive a killed engine and its restart, with nobody left to cancel them.
    """
    ended = 0
    for listing in tree.glob(f"*/{cgroup.strip('/')}/buildkit/**/cgroup.procs"):
        ended += _end_all_in(listing)
    for listing in tree.glob(f"{cgroup.strip('/')}/buildkit/**/cgroup.procs"):
        ended += _end_all_in(listing)
    return ended


def remove_group(cgroup: str, tree: Path = _TREE, patience: float = 5.0) -> None:
    """Take an engine's group away with all below it; processes that were ended are waited for."""
    deadline = time.monotonic() + patience
    tops = [tree / cgroup.strip("/"), *tree.glob(f"*/{cgroup.strip('/')}")]
    for group in sorted((group for top in tops for group in [top, *top.rglob("*/")]), reverse=True):
        while not _removed(group) and time.monotonic() < deadline:
            time.sleep(_LOOK_AGAIN)  # the kernel tells nobody when a group has emptied in the tree's first version


def _removed(group: Path) -> bool:
    try:
        group.rmdir()
    except FileNotFoundError:  # one controller's folder may be a link to another's
        return True
    except OSError:
        return False
    return True


def _end_all_in(listing: Path) -> int:
    ended = 0
    with suppress(OSError):
        for pid in listing.read_text().split():
            with suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
                ended += 1
    return ended


def apply_limits(cgroup: str, limits: StepLimits, tree: Path = _TREE) -> list[str]:
    """Limit all steps together, or lift an earlier limit; return a sentence for each that cannot be applied.

    BuildKit ignores the limits in a build request, so they are set on the group that all its steps share.
    """
    steps = f"{cgroup.strip('/')}/buildkit"
    quota = None if limits.cpus is None else max(1000, int(limits.cpus * _CPU_PERIOD))
    if (tree / "cgroup.controllers").exists():
        _hand_down_controllers(tree, steps)
        memory, cpu = tree / steps / "memory.max", tree / steps / "cpu.max"
        wanted = {memory: str(limits.memory_bytes or "max"), cpu: f"{quota or 'max'} {_CPU_PERIOD}"}
    else:
        memory = tree / "memory" / steps / "memory.limit_in_bytes"
        cpu = tree / "cpu" / steps / "cpu.cfs_quota_us"
        wanted = {memory: str(limits.memory_bytes or -1), cpu: str(quota or -1)}
    is_limited = {memory: limits.memory_bytes is not None, cpu: limits.cpus is not None}
    refusals = [_write(file, value, is_needed=is_limited[file]) for file, value in wanted.items()]
    return [refusal for refusal in refusals if refusal]


def _hand_down_controllers(tree: Path, steps: str) -> None:
    """In v2 a group has a controller only when each group above it passes it on."""
    group = tree
    for part in ("", *Path(steps).parts[:-1]):
        group = group / part
        with suppress(OSError):
            group.mkdir(exist_ok=True)
            (group / "cgroup.subtree_control").write_text("+memory +cpu")


def _write(file: Path, value: str, *, is_needed: bool) -> str:
    if not is_needed and _is_unlimited(file):  # which an ordinary user could not write, nor needs to
        return ""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(value)
    except OSError as error:
        return f"build steps cannot be limited here: {file} refuses {value} ({error.strerror})"
    return ""


def _is_unlimited(file: Path) -> bool:
    try:
        limit = file.read_text().split()[0]
    except OSError:  # there is none
        return True
    return limit in ("max", "-1") or int(limit) >= _NO_LIMIT
