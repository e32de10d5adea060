"""Work that goes on beside its owner, for as long as an `async with` lasts."""

import asyncio
from abc import ABC, abstractmethod
from typing import Self


class Background(ABC):
    """`_run` is cancelled, and awaited, when the block ends. An error that it raises is raised there, too."""

    _task: asyncio.Task[None] | None = None

    @abstractmethod
    async def _run(self) -> None: ...

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run(), name=type(self).__name__)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.wait([self._task])
        if not self._task.cancelled():
            self._task.result()
