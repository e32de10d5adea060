"""Details of commits, kept because they never change and each costs a request of GitHub's rate limit."""

from collections.abc import Mapping

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from models.tables.image import GithubCommit


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
