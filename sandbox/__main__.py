"""`python -m sandbox [serve] --root DIR [--host H] [--port P]`, and `python -m sandbox seed --root DIR`."""

import argparse
import os
import shutil
from pathlib import Path

import uvicorn

from sandbox.app import SANDBOX_TOKEN, SandboxOptions, create_app
from sandbox.listener import listen
from sandbox.seed import SeedFailed, seed

_GRACE_SECONDS = 2


def main() -> None:
    asked = _parser().parse_args()
    if shutil.which("git") is None:
        raise SystemExit("sandbox: the git program is missing; install git")
    try:
        seed(asked.root)
    except (SeedFailed, OSError) as failed:
        raise SystemExit(f"sandbox: {failed}") from failed
    if asked.what == "serve":
        _serve(asked)


def _serve(asked: argparse.Namespace) -> None:
    options = SandboxOptions(
        root=asked.root,
        tokens=frozenset(asked.token or [SANDBOX_TOKEN]),
        anonymous_limit=asked.anonymous_limit,
        token_limit=asked.token_limit,
        download_url=asked.download_url,
        allowed_hosts=frozenset(asked.allowed_host or ()),
    )
    try:
        listener = listen(asked.host, asked.port)
    except OSError as taken:
        reason = os.strerror(taken.errno) if taken.errno else taken
        where = f"{asked.host} port {asked.port}"
        advice = "end what holds it or give another --port"
        raise SystemExit(f"sandbox: cannot listen on {where}: {reason}; {advice}") from taken
    config = uvicorn.Config(create_app(options), timeout_graceful_shutdown=_GRACE_SECONDS, server_header=False)
    with listener:
        uvicorn.Server(config).run(sockets=[listener])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="sandbox", description="A GitHub look-alike over local git repositories.")
    parser.add_argument("what", nargs="?", choices=["serve", "seed"], default="serve")
    parser.add_argument("--root", type=Path, required=True, help="folder that holds <owner>/<repo>")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8081)
    parser.add_argument("--token", action="append", help=f"a token that is accepted, repeatable ({SANDBOX_TOKEN})")
    parser.add_argument("--anonymous-limit", type=int, default=60, help="requests an hour without a token (60)")
    parser.add_argument("--token-limit", type=int, default=5000, help="requests an hour with a token (5000)")
    parser.add_argument("--download-url", help="where tarballs come from, when not from <this server>/codeload")
    parser.add_argument(
        "--allowed-host", action="append", help="a name, besides localhost, by which this server is asked; repeatable"
    )
    return parser


if __name__ == "__main__":
    main()
