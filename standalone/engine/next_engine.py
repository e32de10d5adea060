"""The Docker engine of Debian's next release, beside the machine's own: for tests, and for trying it out. Needs root.

It lives in a network of its own: of two engines in one network, each takes the other's bridge away. It ends with us.
"""

import asyncio
import os
import shutil
import signal
import tempfile
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

from standalone.engine.cgroup import end_orphaned_steps, remove_group
from standalone.engine.log_limits import UNLIMITED
from standalone.engine.next_release import unpacked
from standalone.engine.place import answers
from standalone.errors import CannotStart
from standalone.programs import Program, Server

PACKAGES = ("docker.io", "containerd", "docker-cli")
CONTAINERD_STORE = ("--feature=containerd-snapshotter=true",)
_APART = ("unshare", "--net", "--mount", "sh", "-c", 'ip link set lo up; exec "$@"', "sh")
_SBIN = "/usr/local/sbin:/usr/sbin:/sbin"
_READY_WITHIN = timedelta(seconds=60)
_STOP_GRACE = timedelta(seconds=30)


class NextEngine(Server):
    """An engine in a folder of its own, which is gone when the `with` is over. `words` are further ones for dockerd.

    `programs` is where the packages lie unpacked, and are brought to where they do not. runc and iptables are the
    machine's: `make engine` brings them.
    """

    def __init__(
        self,
        programs: Path,
        environment: Mapping[str, str],
        words: tuple[str, ...] = (),
        log_limits: Mapping[str, str] = UNLIMITED,
    ) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="slipway-engine-"))  # short: a socket's path has 107 characters
        self._cgroup = f"/{self._folder.name}"
        self._programs = programs
        self._words = words
        self._environment = environment
        self._log_limits = log_limits
        super().__init__(self._folder / "dockerd.log")

    @property
    def url(self) -> str:
        return f"unix://{self._folder}/docker.sock"

    @property
    def program(self) -> Program:
        root, folder = self._programs, self._folder
        path = f"{root}/usr/sbin:{root}/usr/bin:{self._environment.get('PATH', '/usr/bin:/bin')}:{_SBIN}"
        return Program(
            name="Docker's next engine",
            command=(
                *_APART,
                f"{root}/usr/sbin/dockerd",
                f"--host={self.url}",
                f"--data-root={folder}/data",
                f"--exec-root={folder}/exec",
                f"--pidfile={folder}/docker.pid",
                f"--cgroup-parent={self._cgroup}",
                "--exec-opt=native.cgroupdriver=cgroupfs",  # with systemd's driver the parent would have to be a slice
                f"--userland-proxy-path={root}/usr/sbin/docker-proxy",
                f"--init-path={root}/usr/bin/docker-init",
                *self._words,
            ),
            prepare=self._bring_programs,
            is_ready=lambda: asyncio.to_thread(answers, self.url),
            environment={**self._environment, **self._log_limits, "PATH": path},
            death_signal=signal.SIGTERM,  # of ours: it then ends its steps and containers, too
            grace=_STOP_GRACE,
            ready_within=_READY_WITHIN,
        )

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            await asyncio.to_thread(self._clear_up)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await super().__aexit__(kind, error, trace)
        await asyncio.to_thread(self._clear_up)

    async def _bring_programs(self) -> None:
        if os.geteuid() != 0:
            raise CannotStart("a second Docker engine needs root: it has a network and mounts of its own")
        await asyncio.to_thread(unpacked, PACKAGES, self._programs, self._environment)

    def _clear_up(self) -> None:
        end_orphaned_steps(self._cgroup)
        remove_group(self._cgroup)
        shutil.rmtree(self._folder)
