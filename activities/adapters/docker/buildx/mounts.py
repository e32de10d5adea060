"""What a session hands to the steps that ask for it: secrets out of files of this host, and an SSH agent.

A step mounts them for its own time only; they are in no layer, no argument and no cache key.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from models.rules.errors.engine import SecretUnavailable

_MOST_BYTES = 500 * 1024  # BuildKit's own limit
_SHORTEST_LINE = 8  # a shorter one would black out ordinary words


@dataclass(frozen=True)
class Mounts:
    """`secrets` are files by the name that orders use; `ssh_agent` is the socket of an agent."""

    secrets: Mapping[str, Path] = field(default_factory=dict)
    ssh_agent: Path | None = None

    def values(self, names: Iterable[str]) -> list[bytes]:
        """Read what must not show in the log of a build that is given these. Blocks. Raises SecretUnavailable."""
        shown: list[bytes] = []
        for name in names:
            value = self._read(name)
            lines = (line.strip() for line in value.splitlines())
            shown += [value.strip(), *(line for line in lines if len(line) >= _SHORTEST_LINE)]
        return shown

    def _read(self, name: str) -> bytes:
        path = self.secrets.get(name)
        if path is None:
            raise SecretUnavailable(
                f"This builder has no build secret named {name}; name its file in SLIPWAY_BUILD_SECRETS there."
            )
        try:
            with path.open("rb") as file:
                value = file.read(_MOST_BYTES + 1)
        except OSError as error:
            raise SecretUnavailable(
                f"The file of the build secret {name} cannot be read on the builder ({error.strerror})."
            ) from error
        if len(value) > _MOST_BYTES:
            raise SecretUnavailable(f"The file of the build secret {name} is larger than {_MOST_BYTES} bytes.")
        return value
