"""Log lines are a fixed word and data; ids that were bound on the way (request, build, workflow) join every line."""

import logging
import sys
from collections.abc import Iterable
from typing import Any, Literal

import structlog

# chatty at info, and httpx writes whole URLs, which may bear a ticket to a private archive
_SHORTEST_SECRET = 4  # shorter ones would blot out ordinary words
_QUIET = {"httpx": "WARNING", "httpcore": "WARNING", "alembic": "WARNING", "uvicorn.access": "WARNING"}


class _Redacting(structlog.stdlib.ProcessorFormatter):
    """Writes no secret, in whatever field, message or traceback it stands."""

    def __init__(self, secrets: Iterable[str], **options: Any) -> None:  # noqa: ANN401 - the base's own
        super().__init__(**options)
        self._secrets = [secret for secret in secrets if len(secret) >= _SHORTEST_SECRET]

    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        for secret in self._secrets:
            line = line.replace(secret, "******")
        return line


def configure(*, log_format: Literal["console", "json"], log_level: str, secrets: Iterable[str] = ()) -> None:
    """Send every log line of this process to stderr, for people or machines, without `secrets`. A repeat replaces."""
    chain: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    is_console = log_format == "console"
    last: list[structlog.types.Processor] = (
        [_console()] if is_console else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    formatter = _Redacting(
        secrets,
        foreign_pre_chain=chain,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    logging.basicConfig(handlers=[handler], level=log_level.upper(), force=True)
    for name, level in _QUIET.items():
        logging.getLogger(name).setLevel(level)


def _console() -> structlog.dev.ConsoleRenderer:
    # plain tracebacks: the pretty ones print the values of variables, and some are secrets
    return structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty(), pad_event_to=28, exception_formatter=structlog.dev.plain_traceback
    )
