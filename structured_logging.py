"""Log lines are a fixed word and data; ids that were bound on the way (request, build, workflow) join every line."""

import logging
import sys
from typing import Literal

import structlog

# chatty at info, and httpx writes whole URLs, which may bear a ticket to a private archive
_QUIET = {"httpx": "WARNING", "httpcore": "WARNING", "alembic": "WARNING", "uvicorn.access": "WARNING"}


def configure(*, log_format: Literal["console", "json"], log_level: str) -> None:
    """Send every log line of this process to stderr, for people or for machines. A repeat replaces."""
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
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=chain, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last]
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
