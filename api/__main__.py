"""`python -m api`: one process that answers on its ports until SIGTERM or SIGINT."""

import asyncio
import logging
import socket
import sys
from contextlib import AsyncExitStack

from pydantic import ValidationError

from activities.adapters.github.rest import GitHub
from activities.adapters.object_store.opening import open_store
from activities.adapters.temporal import TemporalRuns, connect
from activities.work_area import WorkArea
from api.app import create_app
from api.parts import ApiWorld
from api.server.listener import listen, why_not
from api.server.serving import Server
from models.postgres.database import Database
from models.postgres.hints import Hints
from models.rules.redaction import Redaction
from models.tables.families import prepare_tables
from process.database_secrets import database_secrets
from process.ending import end_process
from process.log_lines import configure
from process.memory import settle_objects
from process.private_folder import make_private
from settings import Settings, complaints

log = logging.getLogger(__name__)

_REQUESTS, _STREAMS, _DELIVERIES = 10, 6, 4  # connections to Postgres


async def main(settings: Settings) -> int:
    """Serve until a signal; return the exit code."""
    if settings.database_url is None:
        return _refuse("DATABASE_URL is not set; `make up` starts an API that has one")
    async with AsyncExitStack() as stack:
        sockets = _sockets(settings, stack)
        if sockets is None:
            return 1
        app = create_app(await _parts(settings, settings.database_url.get_secret_value(), stack))
        prepare_tables()
        settle_objects()
        log.info("api_started", extra={"addresses": [f"{host}:{port}" for host, port, *_ in _names(sockets)]})
        await Server(app, drain_timeout=settings.drain_timeout).serve(sockets=sockets)
        log.info("api_stopped")
    return 0


def _sockets(settings: Settings, stack: AsyncExitStack) -> list[socket.socket] | None:
    """Take the ports; None, after saying why not, when one cannot be had."""
    wanted = {"SLIPWAY_API_PORT": settings.api_port, "SLIPWAY_API_EXTRA_PORT": settings.api_extra_port}
    sockets = []
    for setting, port in wanted.items():
        if port is None:
            continue
        try:
            sockets.append(stack.enter_context(listen(settings.api_host, port)))
        except OSError as error:
            _refuse(why_not(error, settings.api_host, port, setting))
            return None
    return sockets


def _names(sockets: list[socket.socket]) -> list[tuple[str, int]]:
    return [listener.getsockname() for listener in sockets]


async def _parts(settings: Settings, database_url: str, stack: AsyncExitStack) -> ApiWorld:
    hints = Hints(database_url)
    requests, streams, deliveries = (
        Database(database_url, pool_size=size, hints=hints) for size in (_REQUESTS, _STREAMS, _DELIVERIES)
    )
    for database in (requests, streams, deliveries):
        stack.push_async_callback(database.close)
    token = settings.github_token.get_secret_value() if settings.github_token is not None else None
    source_host = GitHub(settings.github_api_url, token, settings.github_timeout)
    stack.push_async_callback(source_host.aclose)
    redaction = Redaction((*settings.secrets(), *database_secrets(database_url)))
    client = await connect(lazy=True, redaction=redaction)
    return ApiWorld(
        requests=requests,
        streams=streams,
        deliveries=deliveries,
        hints=hints,
        runs=TemporalRuns(client),
        source_host=source_host,
        store=await open_store(settings.object_store, settings.store_options(), settings.data_dir / "objects"),
        area=stack.enter_context(WorkArea(settings.data_dir / "work")),
        queue_limit=settings.queue_limit,
        redaction=redaction,
        allowed_hosts=settings.allowed_hosts,
        stays_open=settings.stays_open,
        cors_origins=settings.cors_origins,
        has_github_token=token is not None,
    )


def _refuse(why: str) -> int:
    print(f"api: {why}", file=sys.stderr)  # noqa: T201 - before there is anything to log
    return 1


def run() -> int:
    try:
        settings = Settings()
    except ValidationError as invalid:
        print(*complaints(invalid), sep="\n", file=sys.stderr)  # noqa: T201 - likewise
        return 2
    configure(log_format=settings.log_format, log_level=settings.log_level, secrets=settings.secrets())
    if complaint := make_private(settings.data_dir):
        log.warning("data_folder_open", extra={"why": complaint})
    return asyncio.run(main(settings))


if __name__ == "__main__":
    end_process(run())
