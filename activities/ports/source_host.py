"""GitHub, as the activities and the API need it."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True)
class RepositoryTag:
    """A tag as GitHub lists it; CommitDetails tells more of its commit."""

    name: str
    commit_sha: str
    commit_url: str
    zipball_url: str
    tarball_url: str


@dataclass(frozen=True)
class TagReference:
    """What a tag names directly: a commit (`kind` commit), an annotated tag (tag), or what is no source."""

    name: str
    sha: str
    kind: str


@dataclass(frozen=True)
class CommitDetails:
    """What GitHub says of one commit. `date` is the committer's, `author` a name, `message` the whole text.

    `date` is None where the committer's clock told what no calendar has: git keeps any number of seconds.
    """

    sha: str
    date: datetime | None
    author: str
    message: str


@dataclass(frozen=True)
class ResolvedTag:
    """What a tag leads to. `objects` are the ids of its annotations, the outermost first; a light tag has none."""

    commit: str
    objects: tuple[str, ...] = ()


class SourceHost(Protocol):
    """GitHub, or what speaks its REST API."""

    async def resolve_tag(self, repo: str, tag: str) -> ResolvedTag:
        """Return the commit that the tag names, annotated tags peeled; full ids of 40 hex. A pure read.

        Raises RepositoryNotFound, TagNotFound, SourceHostUnreachable, SourceHostWrong, SourceHostRateLimited,
        SourceHostDenied.
        """
        ...

    def tarball(self, repo: str, commit: str) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Open the gzipped tarball of a commit as a stream of chunks; redirects are followed, the token stays home.

        Raises, also in mid-stream, what resolve_tag raises; one that ends before its length is SourceHostUnreachable.
        """
        ...

    async def tag_references(self, repo: str) -> list[TagReference]:
        """Return all tags of the repository, in any order, by as few requests as GitHub has. Raises as resolve_tag."""
        ...

    async def tags(self, repo: str, limit: int) -> list[RepositoryTag]:
        """Return at most `limit` tags in GitHub's order, a hundred a request. Raises as resolve_tag."""
        ...

    async def peel(self, repo: str, tag_sha: str) -> str | None:
        """Return the commit that this annotated tag leads to, None for none. Never changes. Raises as resolve_tag."""
        ...

    def tag_of(self, repo: str, name: str, commit_sha: str) -> RepositoryTag:
        """Say of a tag what `tags` would, without asking."""
        ...

    async def commit(self, repo: str, sha: str) -> CommitDetails:
        """Return one commit's details. Raises as resolve_tag."""
        ...
