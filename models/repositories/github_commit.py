"""What objects of git say, kept because it never changes and each costs a request of GitHub's rate limit."""

from collections.abc import Mapping

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from models.tables.image import GithubCommit, GithubTagObject


class GithubCommitRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def known(self, repo: str, shas: list[str]) -> dict[str, dict[str, str]]:
        """Return the details of those commits that were kept, by sha."""
        kept = select(GithubCommit).where(col(GithubCommit.repo) == repo, col(GithubCommit.sha).in_(shas))
        return {commit.sha: commit.details for commit in (await self._session.execute(kept)).scalars()}

    async def keep(self, repo: str, details: Mapping[str, dict[str, str]]) -> None:
        """Keep details by sha; what is kept already stays as it is."""
        if not details:
            return
        rows = [{"repo": repo, "sha": sha, "details": each} for sha, each in sorted(details.items())]
        await self._session.execute(insert(GithubCommit).values(rows).on_conflict_do_nothing())

    async def peeled(self, repo: str, tag_shas: list[str]) -> dict[str, str | None]:
        """Return the commits of those annotated tags that were kept, by the tag object's sha."""
        kept = select(GithubTagObject).where(col(GithubTagObject.repo) == repo, col(GithubTagObject.sha).in_(tag_shas))
        return {tag.sha: tag.commit_sha for tag in (await self._session.execute(kept)).scalars()}

    async def keep_peeled(self, repo: str, commits: Mapping[str, str | None]) -> None:
        """Keep commits by the tag object's sha; what is kept already stays as it is."""
        if not commits:
            return
        rows = [{"repo": repo, "sha": sha, "commit_sha": commit} for sha, commit in sorted(commits.items())]
        await self._session.execute(insert(GithubTagObject).values(rows).on_conflict_do_nothing())
