"""A running sandbox for tests: real HTTP on a free port of the loopback, in a thread of this process."""

import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from sandbox.app import SANDBOX_TOKEN, SandboxOptions, create_app
from sandbox.listener import listen
from sandbox.seed import seed

_LONGEST_CALL_SECONDS = 30
_PLENTY = 1_000_000


@dataclass(frozen=True)
class RunningSandbox:
    """`url` is what GITHUB_API_URL would be, `http` asks there; repositories lie at `root/<owner>/<repo>`."""

    url: str
    root: Path
    http: httpx.Client
    token: str = SANDBOX_TOKEN

    def order(self, **fault: Any) -> None:
        """Switch a fault on, beside those in force: the fields of sandbox.faults.FaultOrder."""
        self._control("POST", "/faults", json=fault)

    def clear_faults(self) -> None:
        self._control("DELETE", "/faults")

    def upload(self, name: str, content: bytes) -> None:
        self._control("PUT", f"/tarballs/{name}", content=content)

    def requests(self) -> list[dict[str, Any]]:
        """Return the requests seen since forget_requests(), the oldest first."""
        requests: list[dict[str, Any]] = self._control("GET", "/requests").json()["requests"]
        return requests

    def forget_requests(self) -> None:
        self._control("DELETE", "/requests")

    def _control(self, method: str, path: str, **more: Any) -> httpx.Response:
        return self.http.request(method, f"/_sandbox{path}", **more).raise_for_status()


@contextmanager
def running_sandbox(
    root: Path,
    *,
    anonymous_limit: int = _PLENTY,
    token_limit: int = _PLENTY,
    download_host: str | None = None,
    allowed_hosts: frozenset[str] = frozenset(),
) -> Iterator[RunningSandbox]:
    """Serve `root`, the sample product seeded, until the block ends.

    `download_host` is the name under which tarballs are redirected to this same server ("localhost", to tell it from
    127.0.0.1); None: the host the caller used.
    """
    seed(root)
    with listen("127.0.0.1", 0) as listener:  # listens from here on: no request can come too early
        port = listener.getsockname()[1]
        options = SandboxOptions(
            root,
            anonymous_limit=anonymous_limit,
            token_limit=token_limit,
            allowed_hosts=allowed_hosts,
            download_url=f"http://{download_host}:{port}/codeload" if download_host else None,
        )
        config = uvicorn.Config(create_app(options), log_level="critical", timeout_graceful_shutdown=0)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="sandbox", daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{port}"
        try:
            with httpx.Client(base_url=url, trust_env=False, timeout=_LONGEST_CALL_SECONDS) as http:
                yield RunningSandbox(url, root, http)
        finally:
            server.should_exit = True
            thread.join(_LONGEST_CALL_SECONDS)
            assert not thread.is_alive(), "the sandbox does not stop"


def git(folder: Path, *arguments: str) -> str:
    """Run git in a test's repository, untouched by the machine's own settings, and return what it prints."""
    environment = {
        "PATH": os.defpath,
        "HOME": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_AUTHOR_NAME": "Ada",
        "GIT_AUTHOR_EMAIL": "ada@example.invalid",
        "GIT_AUTHOR_DATE": "2026-01-01T10:00:00+02:00",
        "GIT_COMMITTER_NAME": "Grace",
        "GIT_COMMITTER_EMAIL": "grace@example.invalid",
        "GIT_COMMITTER_DATE": "2026-01-02T10:00:00+02:00",
    }
    command = ["git", "-C", str(folder), *arguments]
    done = subprocess.run(
        command, env=environment, check=False, capture_output=True, text=True, timeout=_LONGEST_CALL_SECONDS
    )
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
    return done.stdout.strip()


def make_repository(folder: Path, files: dict[str, str], *tags: str) -> str:
    """Make a repository of one commit with these files and light tags, and return the commit's sha."""
    folder.mkdir(parents=True)
    git(folder, "init", "--quiet", "--template=", "--initial-branch=main")
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message=First words\n\nAnd some more.")
    for tag in tags:
        git(folder, "tag", tag)
    return git(folder, "rev-parse", "HEAD")


def json_at(sandbox: RunningSandbox, path: str) -> Any:
    return sandbox.http.get(path).raise_for_status().json()


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}
