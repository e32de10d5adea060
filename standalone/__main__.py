"""Standalone's command line: `python -m standalone up|down|status|run|demo|engine|engine-down|logs|psql`."""

import argparse
import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable

from pydantic import ValidationError
from rich.console import Console

from settings import DataPlace, Settings, complaints
from standalone.demo.demo import Story, demo
from standalone.engine.base_image import REPOSITORY, TAG, ensure_base_image
from standalone.engine.cgroup import StepLimits
from standalone.engine.daemon import ensure_engine_at, stop_engine
from standalone.engine.place import EnginePlace
from standalone.engine.plugin import ensure_buildx
from standalone.errors import CannotStart
from standalone.free_ports import LOOPBACK
from standalone.lifecycle import down, is_running, show_urls, status, up
from standalone.servers.postgres import DATABASE, ROLE, binary, password
from standalone.stack import standalone_stack
from standalone.supervision.progress import EventLines, Reporter
from standalone.supervision.supervisor import Moment, supervise

_USAGE, _NOT_UP = 2, 3


def main(words: list[str]) -> int:
    arguments = _parser().parse_args(words)
    screen = Console(highlight=False, soft_wrap=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # an `up` that is told to end ends what it has started
    try:
        if arguments.command in _ENDINGS:
            return _ENDINGS[arguments.command](screen)
        return _COMMANDS[arguments.command](_settings(), screen, arguments)
    except CannotStart as refusal:
        screen.print(str(refusal), style="red", markup=False)
        return 1
    except ValidationError as refusal:
        for line in complaints(refusal):
            screen.print(line, style="red", markup=False)
        return _USAGE
    except KeyboardInterrupt:
        return 130


def _settings() -> Settings:
    try:
        return Settings()
    except UnicodeDecodeError as error:
        raise CannotStart(".env is not text in UTF-8; write it anew, as .env.example shows") from error


def _up(settings: Settings, screen: Console, _: argparse.Namespace) -> int:
    stack = standalone_stack(settings, os.environ)
    try:
        _ensure_engine(settings, screen)
    except CannotStart as refusal:
        screen.print(f"{refusal}\nBuilds wait until there is one.", style="yellow", markup=False)
    asyncio.run(up(stack, screen))
    screen.print("[bold green]Slipway is up.[/]")
    show_urls(stack, screen)
    return 0


def _demo(settings: Settings, screen: Console, _: argparse.Namespace) -> int:
    stack, story = standalone_stack(settings, os.environ), Story(screen)
    with story.part("Docker engine and base image"):
        _ensure_engine(settings, screen)
    with story.part("Start Slipway"):
        asyncio.run(up(stack, screen))
    asyncio.run(demo(stack, settings.engine_url, story))
    return 0


def _engine(settings: Settings, screen: Console, _: argparse.Namespace) -> int:
    _ensure_engine(settings, screen)
    return 0


def _ensure_engine(settings: Settings, screen: Console) -> None:
    limits = StepLimits(settings.build_memory_bytes, settings.build_cpus)
    ensure_engine_at(settings.engine_url, os.environ, _saying(screen), limits)
    ensure_base_image(settings.engine_url, os.environ, _saying(screen))
    _ensure_buildx(settings, screen)
    screen.print(f"  engine     answers at {settings.engine_url}, and has {REPOSITORY}:{TAG}")


def _ensure_buildx(settings: Settings, screen: Console) -> None:
    """Builds go on without it, so its lack is said and no more."""
    if settings.buildx != "auto":
        return
    try:
        plugin = ensure_buildx(settings.data_dir, os.environ, _saying(screen))
    except CannotStart as refusal:
        screen.print(f"{refusal}\nBuilds go over the plain API, without build secrets.", style="yellow", markup=False)
    else:
        screen.print(f"  buildx     {plugin.version}, {plugin.path}", markup=False)


def _engine_down(screen: Console) -> int:
    outcome = stop_engine(EnginePlace())
    screen.print(_ENGINE_OUTCOMES[outcome])
    return 0


def _down(screen: Console) -> int:
    try:
        place = DataPlace()
    except UnicodeDecodeError:
        place = DataPlace(_env_file=None)  # nothing in that file can be read: the environment's, or the usual folder
    asyncio.run(down(place.data_dir.resolve(), screen))
    return 0


def _status(settings: Settings, screen: Console, _: argparse.Namespace) -> int:
    is_ready = asyncio.run(status(standalone_stack(settings, os.environ), screen))
    return 0 if is_ready else _NOT_UP


def _run(settings: Settings, screen: Console, arguments: argparse.Namespace) -> int:
    handler = logging.StreamHandler()
    handler.setFormatter(EventLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("httpx").setLevel(logging.WARNING)  # its INFO is a line for each look whether a server is ready
    tell = Reporter(arguments.tell)
    try:
        asyncio.run(supervise(standalone_stack(settings, os.environ), tell))
    except CannotStart as refusal:
        tell(Moment("failed", detail=str(refusal)))
        return 1
    return 0


def _psql(settings: Settings, screen: Console, _: argparse.Namespace) -> int:
    if settings.database_url is not None:
        raise CannotStart("the database is yours, as DATABASE_URL says; open it with a psql of your own")
    if not is_running("postgres", settings.data_dir):
        raise CannotStart("the embedded database does not run; start it with `make up`")
    psql = str(binary("psql"))
    where = ("-h", LOOPBACK, "-p", str(settings.postgres_port), "-U", ROLE, "-d", DATABASE)
    secret = {"PGPASSWORD": password(settings.data_dir)}  # not an argument, which every user of this host could read
    # It takes our place, so that Ctrl-C is its own.
    os.execve(psql, [psql, *where], {**os.environ, **secret})  # noqa: S606


def _logs(settings: Settings, screen: Console, _: argparse.Namespace) -> int:
    stack = standalone_stack(settings, os.environ)
    names = ("supervisor", *(member.name for member in stack.members))
    logs = [str(log) for log in map(stack.log_of, names) if log.exists()]
    if not logs:
        raise CannotStart("there are no logs yet; start Slipway with `make up`")
    os.execvp("tail", ["tail", "-n", "20", "-F", *logs])  # noqa: S606  # it takes our place, Ctrl-C is its own


def _saying(screen: Console) -> Callable[[str], None]:
    return lambda line: screen.print(f"  {line}", markup=False)


_ENGINE_OUTCOMES = {
    "stopped": "The Docker engine is stopped, and its containers with it.",
    "not ours": "The Docker engine here was not started by Slipway; it is left alone.",
    "none": "No Docker engine of Slipway's runs.",
}
# what runs can be ended whatever the settings have become meanwhile
_ENDINGS = {"down": _down, "engine-down": _engine_down}
_COMMANDS = {
    "up": _up,
    "status": _status,
    "run": _run,
    "demo": _demo,
    "engine": _engine,
    "logs": _logs,
    "psql": _psql,
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m standalone", description="Slipway on one machine.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("up", help="start everything in the background, and wait until it is ready")
    commands.add_parser("down", help="stop it; the Docker engine stays")
    commands.add_parser("status", help="say what runs")
    run = commands.add_parser("run", help="run everything in the foreground, until Ctrl-C")
    run.add_argument("--tell", type=int, help=argparse.SUPPRESS)  # a pipe of `up`
    commands.add_parser("demo", help="start everything, build the sample product's tag, and try the image")
    commands.add_parser("engine", help="make sure of a Docker engine and of the base image")
    commands.add_parser("engine-down", help="stop the Docker engine, if it is ours")
    commands.add_parser("logs", help="follow the logs of everything that runs")
    commands.add_parser("psql", help="open the embedded database")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
