"""A build that runs in the engine: one thread starts it and reads, one interprets, asyncio only watches."""

import asyncio
import logging
import os
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from activities.adapters.docker.conversation import Account, Conversation
from activities.adapters.docker.progress.clip_mark import remedy
from activities.adapters.docker.progress.facts import EngineFacts
from activities.adapters.docker.progress.spool import Spool
from activities.adapters.docker.progress.verdict import given_up, success_notices
from activities.ports.engine import EngineBuildRequest, EngineOutcome, EngineProgress
from models.rules.errors.domain import DomainError
from models.rules.errors.engine import BuildCancelled, DockerBuildFailed, EngineUnreachable

log = logging.getLogger(__name__)

_READ_AT_ONCE = 1024 * 1024  # more than a socket holds: one turn of Python's lock takes all that has come
_INTERPRETED_AT_ONCE = 256 * 1024
# A pause after little work gathers what comes meanwhile: fewer, larger writes, and cores for the build itself.
_PAUSE_SECONDS = 0.005
_LITTLE_BYTES = 16 * 1024

_TURN_SECONDS = 0.1  # so soon after its time what waits for its turn in the log is shown

# While the engine is stuck it sends half a million empty traces a second: reading slowly slows it down.
_STUCK_READ_SECONDS = 0.1
_STUCK_LOOK_SECONDS = 1.0

_CANCEL_ASKED_AGAIN_SECONDS = 0.5
_CANCEL_PATIENCE_SECONDS = 5.0
_HANG_UP_PATIENCE_SECONDS = 10.0

_BROKE_OFF = "The engine's answer broke off after the image was made: the end of the log may be missing"


class RunningBuild:
    """Implements EngineBuild. It begins with `start`, on the event loop that will await it.

    `find_image` returns the id of the image under the attempt's tag; it blocks, and raises EngineUnreachable. `on_clip`
    hears the limit at which the engine clipped a log.
    """

    def __init__(
        self,
        *,
        request: EngineBuildRequest,
        conversation: Conversation,
        account: Account,
        find_image: Callable[[], str | None],
        facts: EngineFacts,
        on_clip: Callable[[str], None],
        work_dir: Path,
        stuck_patience: timedelta,
        silence_limit: timedelta,
    ) -> None:
        self._request = request
        self._conversation = conversation
        self._account = account
        self._find_image = find_image
        self._facts = facts
        self._on_clip = on_clip
        self._language_notices: tuple[str, ...] = ()
        self._remedy = ""
        self._stuck_patience = stuck_patience.total_seconds()
        self._silence_limit = silence_limit
        self._log_path = work_dir / "build.log"
        self._log_file = os.open(self._log_path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        self._log_size = 0
        self._spool = Spool(work_dir / "engine.spool")
        self._reader = threading.Thread(target=self._read, name=f"read-{request.engine_build_id}", daemon=True)
        self._read_pause = 0.0
        self._reader_error: Exception | None = None
        self._is_cancel_wanted = False
        self._outcome: EngineOutcome | Exception | None = None
        self._loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()

    @property
    def log_path(self) -> Path:
        return self._log_path

    @property
    def log_size(self) -> int:
        return self._log_size

    @property
    def progress(self) -> EngineProgress:
        return self._account.log.progress

    @property
    def notices(self) -> tuple[str, ...]:
        return (*self._conversation.notices, *self._language_notices)

    @property
    def log_loss(self) -> str | None:
        loss = self._account.log.log_loss
        return f"{loss} {self._remedy}" if loss and self._remedy else loss

    @property
    def awaits(self) -> str | None:
        awaited = self._account.log.awaited
        return None if awaited is None else awaited.sentence(datetime.now(UTC), self._silence_limit)

    def start(self) -> None:
        self._reader.start()
        threading.Thread(target=self._watch, name=f"watch-{self._request.engine_build_id}", daemon=True).start()

    async def result(self) -> EngineOutcome:
        await self._ended.wait()
        if isinstance(self._outcome, EngineOutcome):
            return self._outcome
        raise self._outcome or AssertionError("an ended build has an outcome")

    async def cancel(self) -> None:
        """Ask the engine to end it; when that does not end its account within seconds, hang up, which ends it too."""
        self._is_cancel_wanted = True
        deadline = self._loop.time() + _CANCEL_PATIENCE_SECONDS
        # Asked again: the engine knows the id only once it has taken up the request.
        while not self._ended.is_set() and self._loop.time() < deadline:
            try:
                await asyncio.to_thread(self._conversation.ask_to_end)
            except DomainError as error:
                log.warning("engine_cancel_refused", extra={"detail": error.detail})
                break
            if await self._ends_within(_CANCEL_ASKED_AGAIN_SECONDS):
                return
        self._conversation.hang_up()
        if not await self._ends_within(_HANG_UP_PATIENCE_SECONDS):
            raise EngineUnreachable("The build was asked to end, but its stream from the engine does not close.")

    async def _ends_within(self, seconds: float) -> bool:
        try:
            await asyncio.wait_for(self._ended.wait(), seconds)
        except TimeoutError:
            return False
        return True

    # the reading thread

    def _read(self) -> None:
        try:
            self._spool.append(memoryview(self._conversation.begin()))
            buffer = memoryview(bytearray(_READ_AT_ONCE))
            while count := self._conversation.read_into(buffer):
                self._spool.append(buffer[:count])
                if self._read_pause:
                    time.sleep(self._read_pause)
        except Exception as error:  # noqa: BLE001 - a thread's outermost line: result() raises it
            self._reader_error = error
        finally:
            self._spool.end()

    # the watching thread

    def _watch(self) -> None:
        try:
            outcome = self._follow()
        except Exception as error:  # noqa: BLE001 - likewise
            outcome = error
        self._conversation.hang_up()
        self._reader.join()
        self._end(outcome)

    def _follow(self) -> EngineOutcome | Exception:
        stuck_since: float | None = None
        looked_at = 0.0
        while not self._account.is_whole and (raw := self._spool.take(_INTERPRETED_AT_ONCE, _TURN_SECONDS)) != b"":
            awaited = self._account.log.awaited
            if awaited is not None and awaited.is_too_much(self._silence_limit):
                self._write(self._account.finish())
                return DockerBuildFailed(f"Docker build failed: {awaited.failure(self._silence_limit)}")
            if raw is None:
                self._write(self._account.due())
                continue
            self._write(self._account.feed(raw))
            self._spool.shrink()
            if not self._account.is_stuck:
                stuck_since, self._read_pause = None, 0.0
                if len(raw) < _LITTLE_BYTES:
                    time.sleep(_PAUSE_SECONDS)
                continue
            now = time.monotonic()
            stuck_since, self._read_pause = stuck_since or now, _STUCK_READ_SECONDS
            if self._account.image_id is None and now - looked_at >= _STUCK_LOOK_SECONDS:
                looked_at, self._account.image_id = now, self._found_image()
            if self._account.image_id is not None:
                break
            if now - stuck_since > self._stuck_patience:
                return given_up(self._stuck_patience)
        return self._concluded()

    def _concluded(self) -> EngineOutcome | Exception:
        self._write(self._account.finish())
        if self._account.is_stuck and self._account.image_id is None:
            self._account.image_id = self._found_image()
        if limit := self._account.log.clips_at:
            self._remedy = remedy(limit, self._facts.version())
            self._on_clip(limit)
        return self._verdict()

    def _found_image(self) -> str | None:
        try:
            return self._find_image()
        except DomainError as error:  # a stuck engine is a busy one; the next look comes soon
            log.info("engine_silent_while_stuck", extra={"detail": error.detail})
            return None

    def _verdict(self) -> EngineOutcome | Exception:
        """Say how it ended. What the engine said counts more than how the connection closed."""
        account = self._account
        if self._is_cancel_wanted:
            if account.has_running_steps:  # the engine ends them with the connection, but did not say so
                log.warning("end_of_steps_unconfirmed", extra={"engine_build_id": self._request.engine_build_id})
            return BuildCancelled("The build was ended in the engine because a cancel was wanted.")
        if self._reader_error is not None:
            return self._reader_error
        failure = account.failure(self._request, self._facts)
        if failure is not None or account.image_id is None:
            return failure or EngineUnreachable("The Docker engine named no image.")
        if not account.is_whole and not account.is_stuck:
            self._write(account.log.lose(_BROKE_OFF))
        self._language_notices = success_notices(self._request, self._facts)
        return EngineOutcome(image_id=account.image_id, log_loss=self.log_loss)

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            count = os.write(self._log_file, view)
            view = view[count:]
            self._log_size += count

    def _end(self, outcome: EngineOutcome | Exception) -> None:
        self._outcome = outcome
        os.close(self._log_file)
        self._spool.close()
        self._conversation.close()
        try:
            self._loop.call_soon_threadsafe(self._ended.set)
        except RuntimeError:  # the loop has closed: nobody is left who waits
            log.info("build_outlived_its_loop", extra={"engine_build_id": self._request.engine_build_id})
