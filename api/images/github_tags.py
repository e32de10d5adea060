"""A repository's tags, in the order people look for them, with as many details as GitHub's rate limit bears."""

import asyncio
import logging
import re
from collections.abc import Sequence

from packaging.version import Version

from activities.ports.source_host import RepositoryTag, SourceHost
from api.images.tag_schemas import TagAnswer, TagCommit, TagsAnswer
from models.postgres.database import Database
from models.repositories.github_commit import GithubCommitRepository
from models.rules.errors.domain import DomainError
from models.rules.errors.source import SourceHostRateLimited
from models.rules.image_order import check_repo

log = logging.getLogger(__name__)

MOST_TAGS = 1000
_DETAILS_WITHOUT_TOKEN = 20
_DETAILS_WITH_TOKEN = 100
_AT_ONCE = 8
_DETAILS_SECONDS = 10.0
# before a version: "v", or a word such as "release-"
_PREFIX = re.compile(r"\A(?:[A-Za-z][A-Za-z0-9_./-]*?[-_/])?[vV]?(?=[0-9])", re.ASCII)

Details = dict[str, str]


class GithubTags:
    """Tags are asked for each time, since they move; details of commits only once."""

    def __init__(self, host: SourceHost, database: Database, *, has_token: bool) -> None:
        self._host = host
        self._database = database
        self._most_details = _DETAILS_WITH_TOKEN if has_token else _DETAILS_WITHOUT_TOKEN

    async def page(self, repo: str, limit: int) -> TagsAnswer:
        """Return the highest `limit` tags. Raises RequestInvalid and what SourceHost.tags raises."""
        # all of them: GitHub orders by name, and the highest version may stand on the last page
        found = await self._host.tags(check_repo(repo), MOST_TAGS)
        tags = by_version(found)[:limit]
        shas = list(dict.fromkeys(tag.commit_sha for tag in tags))
        async with self._database.transaction() as session:
            details = await GithubCommitRepository(session).known(repo, shas)
        asked = await self._ask(repo, [sha for sha in shas if sha not in details][: self._most_details])
        if asked:
            async with self._database.transaction() as session:
                await GithubCommitRepository(session).keep(repo, asked)
        return TagsAnswer(tags=[_answer(tag, {**details, **asked}.get(tag.commit_sha, {})) for tag in tags])

    async def _ask(self, repo: str, shas: Sequence[str]) -> dict[str, Details]:
        """Ask GitHub for details, as many as it gives within a while: the list is good without them."""
        asked: dict[str, Details] = {}
        places, used_up = asyncio.Semaphore(_AT_ONCE), asyncio.Event()

        async def ask(sha: str) -> None:
            async with places:
                if used_up.is_set():
                    return
                try:
                    found = await self._host.commit(repo, sha)
                except DomainError as error:
                    if isinstance(error, SourceHostRateLimited):
                        used_up.set()
                    log.warning("commit_details_unknown", extra={"repo": repo, "commit": sha, "error": error.code})
                else:
                    asked[sha] = {"author": _storable(found.author), "message": _storable(found.message)}
                    if found.date is not None:
                        asked[sha]["date"] = found.date.isoformat()

        try:
            async with asyncio.timeout(_DETAILS_SECONDS), asyncio.TaskGroup() as group:
                for sha in shas:
                    group.create_task(ask(sha))
        except TimeoutError:
            log.warning("commit_details_late", extra={"repo": repo, "asked": len(shas), "known": len(asked)})
        return asked


def by_version(tags: Sequence[RepositoryTag]) -> list[RepositoryTag]:
    """Order tags by the version in their names, highest first; those without one come last, by name."""
    named = sorted(tags, key=lambda tag: tag.name)
    versions = [(version, tag) for tag in named if (version := version_in(tag.name)) is not None]
    versions.sort(key=lambda pair: pair[0], reverse=True)
    return [tag for _, tag in versions] + [tag for tag in named if version_in(tag.name) is None]


def version_in(name: str) -> Version | None:
    try:
        return Version(_PREFIX.sub("", name, count=1))
    except ValueError:  # InvalidVersion, or a number of more digits than Python reads
        return None


def _storable(text: str) -> str:
    return text.replace("\x00", "")  # Postgres takes no NUL in a text


def _answer(tag: RepositoryTag, details: Details) -> TagAnswer:
    commit = TagCommit.model_validate({"sha": tag.commit_sha, "url": tag.commit_url, **details})
    return TagAnswer(name=tag.name, commit=commit, zipball_url=tag.zipball_url, tarball_url=tag.tarball_url)
