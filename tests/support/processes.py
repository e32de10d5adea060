"""This machine's processes, as a test looks for them."""

from pathlib import Path


def processes_with(marker: str) -> list[int]:
    """Numbers of the processes whose command line holds the marker."""
    return [pid for pid, words in _command_lines() if marker.encode() in words]


def environment_of(pid: int) -> dict[str, str]:
    """Return the environment that a process was started with."""
    pairs = Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace").split("\0")
    return dict(pair.split("=", 1) for pair in pairs if "=" in pair)


def _command_lines() -> list[tuple[int, bytes]]:
    found = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append((int(process.parent.name), process.read_bytes()))
        except (FileNotFoundError, ProcessLookupError):  # it ended while we looked
            continue
    return found
