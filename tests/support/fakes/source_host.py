"""GitHub in memory: every commit of every repository holds the same small tree."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from activities.ports.source_host import CommitDetails, RepositoryTag, ResolvedTag, TagReference
from models.rules.errors.source import RepositoryNotFound
from tests.support.engine.hostile_archives import write_tree


class FakeSourceHost:
    """Implements SourceHost, as far as tarballs go; each waits until a test lets it come."""

    def __init__(self, folder: Path) -> None:
        path = folder / "served.tar.gz"
        write_tree(path)
        self.archive = path.read_bytes()
        self.asked: list[str] = []  # commits, in order
        self.stalls: set[str] = set()  # commits that do not come, even when one may
        self.at_once = 0
        self.most_at_once = 0
        self._may_come = asyncio.Semaphore(0)

    def let_come(self, downloads: int = 1) -> None:
        for _download in range(downloads):
            self._may_come.release()

    async def asked_now(self) -> list[str]:
        return self.asked

    async def resolve_tag(self, repo: str, tag: str) -> ResolvedTag:
        raise RepositoryNotFound(f"There is no {repo} with a tag {tag} here.")

    @asynccontextmanager
    async def tarball(self, repo: str, commit: str) -> AsyncIterator[AsyncIterator[bytes]]:
        self.asked.append(commit)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await self._may_come.acquire()
            if commit in self.stalls:
                self._may_come.release()
                await asyncio.Event().wait()
            yield self._chunks()
        finally:
            self.at_once -= 1

    async def _chunks(self) -> AsyncIterator[bytes]:
        yield self.archive

    async def tag_references(self, repo: str) -> list[TagReference]:
        raise RepositoryNotFound(f"There is no {repo} here.")

    async def tags(self, repo: str, limit: int) -> list[RepositoryTag]:
        raise RepositoryNotFound(f"There is no {repo} here.")

    async def peel(self, repo: str, tag_sha: str) -> str | None:
        raise RepositoryNotFound(f"There is no {repo} here.")

    def tag_of(self, repo: str, name: str, commit_sha: str) -> RepositoryTag:
        return RepositoryTag(name, commit_sha, "", "", "")

    async def commit(self, repo: str, sha: str) -> CommitDetails:
        raise RepositoryNotFound(f"There is no {repo} here.")
