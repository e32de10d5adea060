"""Whether a program that lives also serves: asked again and again while it runs."""

import asyncio
import secrets
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

import httpx

from standalone.errors import CannotStart, NotServing
from standalone.loopback_http import loopback_client

Check = Callable[[], Awaitable[None]]
_LONGEST_BEAT = 64  # bytes


@dataclass(frozen=True)
class Watch:
    """How often a program is asked, how long one answer may take, and how many in a row may fail."""

    every: timedelta = timedelta(seconds=3)
    answer_within: timedelta = timedelta(seconds=10)
    failures: int = 3

    async def until_mute(self, check: Check) -> str:
        """Return what was wrong the last time, once so many checks in a row have failed."""
        failed, reason = 0, ""
        while failed < self.failures:
            await asyncio.sleep(self.every.total_seconds())
            reason = await self._failing(check)
            failed = failed + 1 if reason else 0
        return f"{reason}, {failed} times in a row"

    async def _failing(self, check: Check) -> str:
        limit = self.answer_within.total_seconds()
        try:
            async with asyncio.timeout(limit):
                await check()
        except NotServing as mute:
            return str(mute)
        except TimeoutError:
            return f"no answer within {limit:g} s"
        except OSError as error:
            return f"no answer ({error})"
        return ""


def answers(url: str) -> Check:
    """Return a check that this address answers, with whatever but a server's error."""

    async def check() -> None:
        try:
            async with loopback_client() as http:
                answer = await http.get(url)
        except httpx.HTTPError as error:
            raise NotServing(f"no answer from {url} ({type(error).__name__})") from error
        if answer.is_server_error:
            raise NotServing(f"{url} answers {answer.status_code}")

    return check


class Beats:
    """Hears from a program that listens nowhere: it says a word each second, to the address that it is told.

    The words are systemd's (sd_notify(3)), so that a unit with WatchdogSec= can watch the same program.
    """

    def __init__(self) -> None:
        self._name = f"slipway-{secrets.token_hex(8)}"  # an abstract socket: no file, and gone with us
        self._socket: socket.socket | None = None

    @property
    def told(self) -> dict[str, str]:
        """What the program must find in its environment."""
        return {"NOTIFY_SOCKET": f"@{self._name}"}

    async def listen(self) -> None:
        """Begin anew; what an earlier process has said is forgotten. Raises CannotStart."""
        self.close()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            self._socket.bind(f"\0{self._name}")
        except OSError as error:
            raise CannotStart(f"no socket for a program's beats: {error}") from error

    def close(self) -> None:
        if self._socket:
            self._socket.close()
        self._socket = None

    async def has_beaten(self) -> bool:
        """Say whether anything was heard since the last time."""
        heard = False
        with suppress(BlockingIOError):
            while self._socket and self._socket.recv(_LONGEST_BEAT):
                heard = True
        return heard

    async def check(self) -> None:
        """Wait for the next word; whoever asks sets the limit."""
        await self.has_beaten()
        if self._socket:
            await asyncio.get_running_loop().sock_recv(self._socket, _LONGEST_BEAT)
