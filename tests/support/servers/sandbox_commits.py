"""What a test asks of the look-alike's commits by way of the adapter, and how long it waits."""

from datetime import timedelta

from activities.adapters.github.rest import GitHub
from tests.support.servers.sandbox_server import RunningSandbox, git

PATIENT = timedelta(seconds=20)
NOWHERE = "f" * 40


async def downloaded(github: GitHub, repo: str, commit: str) -> bytes:
    async with github.tarball(repo, commit) as chunks:
        return b"".join([chunk async for chunk in chunks])


def hello_commit(sandbox: RunningSandbox, revision: str) -> str:
    return git(sandbox.root / "demo" / "hello", "rev-parse", f"{revision}^{{commit}}")
