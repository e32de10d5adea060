"""How a supervisor tells what happens: lines in its log, and a pipe to whoever started it and still listens."""

import asyncio
import json
import logging
import os
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime

from standalone.supervision.supervisor import Moment

log = logging.getLogger(__name__)
_PLAIN = frozenset(vars(logging.makeLogRecord({}))) | {"message"}


class EventLines(logging.Formatter):
    """A line per event: time, word, fields. The text of a field may have lines of its own, which follow indented."""

    def format(self, record: logging.LogRecord) -> str:
        fields = {name: value for name, value in vars(record).items() if name not in _PLAIN and value not in ("", 0.0)}
        words = [f"{name}={value}" for name, value in fields.items()]
        when = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return " ".join((when, record.getMessage(), *words))


class Reporter:
    """Tells moments to the log and, while somebody reads it, to a pipe."""

    def __init__(self, pipe: int | None = None) -> None:
        self._pipe = pipe

    def __call__(self, moment: Moment) -> None:
        fields = {"program": moment.program, "seconds": round(moment.seconds, 2), "detail": moment.detail}
        log.info("program_%s" if moment.program else "%s", moment.kind, extra=fields)
        if self._pipe is None:
            return
        try:
            os.write(self._pipe, f"{json.dumps(asdict(moment))}\n".encode())
        except BrokenPipeError:  # the listener has seen what it waited for
            self.close()

    def close(self) -> None:
        if self._pipe is not None:
            with suppress(OSError):
                os.close(self._pipe)
        self._pipe = None


async def moments(pipe: int) -> AsyncGenerator[Moment, None]:
    """Yield what a supervisor tells, until it ends or closes the pipe. Takes the pipe over."""
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(pipe, "rb", buffering=0)
    )
    try:
        async for line in reader:
            yield Moment(**json.loads(line))
    finally:
        transport.close()
