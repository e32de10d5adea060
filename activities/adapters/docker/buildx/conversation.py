"""A build by the client: a process of its own, whose words are the engine's account of the build.

The engine knows such a build by its connection only: what `buildid` is to the plain API, the client's process is here.
"""

import contextlib
import logging
import os
import signal
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path

from activities.adapters.docker.buildx.definition import BuildFiles
from models.rules.errors.engine import EngineRefused
from process.tied import tied_to_us

log = logging.getLogger(__name__)

# The client ends as soon as its last word is said.
_LAST_WORD_TO_END_SECONDS = 10


class BuildxConversation:
    """Implements Conversation. The process begins and is awaited in the thread that reads, to which it is tied.

    It is a session of its own: a Ctrl-C at our terminal is for us, and all that it might start can be ended with it.
    """

    def __init__(self, program: Path, engine_url: str, files: BuildFiles, environment: Mapping[str, str]) -> None:
        self._command = (
            *(str(program), "bake", f"--file={files.definition}", f"--metadata-file={files.metadata}"),
            *("--progress=rawjson", files.target),
        )
        self._environment = {**environment, **_environment(engine_url, files)}
        self._files = files
        self._client: subprocess.Popen[bytes] | None = None
        self._changing = threading.Lock()
        self._is_told_to_end = False
        self._is_hung_up = False

    @property
    def notices(self) -> tuple[str, ...]:
        return ()

    def begin(self) -> bytes:
        program = self._command[0]
        if not os.access(program, os.X_OK):  # what ties it to us starts in any case
            raise EngineRefused(f"The build's client {program} is gone; bring it back, or restart the worker.")
        self._files.write()
        with self._changing:
            if self._is_told_to_end:
                return b""
            try:
                self._client = subprocess.Popen(  # noqa: S603 - our own words, with a file for all that is the caller's
                    tied_to_us(self._command, signal.SIGKILL),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                    bufsize=0,
                    cwd=self._files.folder,
                    env=self._environment,
                    start_new_session=True,
                )
            except OSError as error:
                raise EngineRefused(f"The build's client {self._command[0]} cannot be started: {error}.") from error
        return b""

    def read_into(self, buffer: memoryview) -> int:
        """The end of its words is told once the client has ended."""
        client = self._client
        if client is None or client.stderr is None:
            return 0
        count = os.readv(client.stderr.fileno(), [buffer])
        if count == 0:
            self._await_end(client)
        return count

    def ask_to_end(self) -> None:
        """Tell the client once: it tells the engine, and goes when the engine has said how the steps ended."""
        with self._changing:
            if not self._is_told_to_end:
                self._is_told_to_end = True
                self._signal(signal.SIGTERM)

    def hang_up(self) -> None:
        with self._changing:
            self._is_told_to_end = True
            if not self._is_hung_up:
                self._is_hung_up = True
                self._signal(signal.SIGKILL)

    def close(self) -> None:
        if self._client is not None and self._client.stderr is not None:
            self._client.stderr.close()

    def _await_end(self, client: "subprocess.Popen[bytes]") -> None:
        try:
            client.wait(_LAST_WORD_TO_END_SECONDS)
        except subprocess.TimeoutExpired:
            self.hang_up()
            client.wait()

    def _signal(self, wanted: signal.Signals) -> None:
        """Call it under the lock."""
        if self._client is not None and self._client.poll() is None:  # else the number may be another's by now
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._client.pid, wanted)


def _environment(engine_url: str, files: BuildFiles) -> Mapping[str, str]:
    """Nothing of ours: neither secrets, nor the settings and logins of whoever runs the worker."""
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": str(files.config),
        "DOCKER_HOST": engine_url.replace("http://", "tcp://", 1),
        "DOCKER_CONFIG": str(files.config),
        "BUILDX_CONFIG": str(files.config / "buildx"),
        "BUILDX_BUILDER": "default",  # the engine itself
        "BUILDX_NO_DEFAULT_ATTESTATIONS": "1",  # with containerd's store they would make every image an index
        "BUILDX_METADATA_PROVENANCE": "disabled",
        "BUILDX_GIT_INFO": "false",
        "BUILDX_BAKE_ENTITLEMENTS_FS": "0",  # the definition is ours, it may name files anywhere
    }
