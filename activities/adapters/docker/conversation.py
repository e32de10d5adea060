"""What a way of building must bring: the talk with the engine, and the engine's account of the build."""

from typing import Protocol

from activities.adapters.docker.progress.facts import EngineFacts
from activities.adapters.docker.progress.step_log import StepLog
from activities.ports.engine import EngineBuildRequest
from models.rules.errors.domain import DomainError


class Conversation(Protocol):
    """One build's talk with the engine, by whatever way. Everything here blocks, but for `hang_up`.

    `notices` are sentences about what this way cannot do for the build.
    """

    @property
    def notices(self) -> tuple[str, ...]: ...

    def begin(self) -> bytes:
        """Make the engine build, and return what has come of its account. Raises EngineRefused, EngineUnreachable."""
        ...

    def read_into(self, buffer: memoryview) -> int:
        """Wait for the account's next raw bytes; 0 at the end, however it came."""
        ...

    def ask_to_end(self) -> None:
        """Ask the engine, from another thread, to end the build. May be too early; a repeat is harmless.

        Raises EngineRefused, EngineUnreachable.
        """
        ...

    def hang_up(self) -> None:
        """End the talk, from any thread, which also ends the build in the engine. A repeat is harmless."""
        ...

    def close(self) -> None: ...


class Account(Protocol):
    """What the engine says of a build, from raw bytes to log bytes and outcome.

    `is_whole` tells whether it reached its end, `image_id` what was built. `is_stuck` is True while the engine has
    lost the log and says nothing that counts.
    """

    log: StepLog
    image_id: str | None

    @property
    def is_whole(self) -> bool: ...

    @property
    def is_stuck(self) -> bool: ...

    @property
    def has_running_steps(self) -> bool:
        """Whether steps have begun of which nobody has said that they ended."""
        ...

    def feed(self, raw: bytes) -> bytes:
        """Return the log's next bytes. Raises EngineUnreachable where the account makes no sense."""
        ...

    def due(self) -> bytes:
        """Return what of the log has waited for its turn; ask while nothing comes."""
        ...

    def finish(self) -> bytes:
        """Return the log's last bytes. Nothing more comes."""
        ...

    def failure(self, request: EngineBuildRequest, facts: EngineFacts) -> DomainError | None:
        """Return why there is no image, by what was said or by how it ended; None when there is one."""
        ...
