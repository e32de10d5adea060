"""A repository's tags, in the order people look for them, with as many details as GitHub's rate limit bears."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeVar

from activities.ports.source_host import RepositoryTag, SourceHost, TagReference
from api.images.tag_order import in_order
from api.images.tag_schemas import TagAnswer, TagCommit, TagsAnswer
from models.postgres.database import Database
from models.repositories.github_commit import GithubCommitRepository
from models.rules.errors.domain import DomainError
from models.rules.errors.source import SourceHostRateLimited, SourceHostUnreachable
from models.rules.image_order import check_repo

log = logging.getLogger(__name__)

MOST_TAGS = 1000
_TAGS_PER_PAGE = 100  # of GitHub's list that knows the commits
_DETAILS_WITHOUT_TOKEN = 20
_DETAILS_WITH_TOKEN = 100
_AT_ONCE = 8
_LIST_SECONDS = 30.0
_DETAILS_SECONDS = 10.0

Details = dict[str, str]
_Found = TypeVar("_Found")


class GithubTags:
    """Tags are asked for each time, since they move; what an object of git says is asked for only once."""

    def __init__(self, host: SourceHost, database: Database, *, has_token: bool) -> None:
        self._host = host
        self._database = database
        self._most_details = _DETAILS_WITH_TOKEN if has_token else _DETAILS_WITHOUT_TOKEN

    async def page(self, repo: str, limit: int) -> TagsAnswer:
        """Return the highest `limit` of all tags. Raises RequestInvalid and what SourceHost.tag_references raises."""
        try:
            async with asyncio.timeout(_LIST_SECONDS):
                tags, is_cut = await self._highest(check_repo(repo), limit)
        except TimeoutError as error:
            raise SourceHostUnreachable(
                f"GitHub did not list the tags of {repo} within {_LIST_SECONDS:g} s; what it told so far is kept, so"
                " try again."
            ) from error
        shas = list(dict.fromkeys(tag.commit_sha for tag in tags))
        async with self._database.transaction() as session:
            details = await GithubCommitRepository(session).known(repo, shas)
        asked = await self._ask(repo, [sha for sha in shas if sha not in details][: self._most_details])
        if asked:
            async with self._database.transaction() as session:
                await GithubCommitRepository(session).keep(repo, asked)
        answers = [_answer(tag, {**details, **asked}.get(tag.commit_sha, {})) for tag in tags]
        return TagsAnswer(tags=answers, truncated=is_cut)

    async def _highest(self, repo: str, limit: int) -> tuple[list[RepositoryTag], bool]:
        """Return the highest tags that lead to commits, and whether there are more."""
        references = {tag.name: tag for tag in await self._host.tag_references(repo) if tag.kind in {"commit", "tag"}}
        # sorting tens of thousands of names takes a good while
        names = await asyncio.to_thread(in_order, references)
        shown = [references[name] for name in names[:limit]]
        commits: dict[str, str | None] = {tag.sha: tag.sha for tag in shown if tag.kind == "commit"}
        commits |= await self._commits_of([tag for tag in shown if tag.kind == "tag"], repo, all_tags=len(references))
        tags = [self._host.tag_of(repo, tag.name, sha) for tag in shown if (sha := commits.get(tag.sha))]
        return tags, len(names) > limit

    async def _commits_of(
        self, annotated: Sequence[TagReference], repo: str, *, all_tags: int
    ) -> Mapping[str, str | None]:
        """Return the commit of each annotated tag by the tag object's sha, None where it leads to none."""
        shas = [tag.sha for tag in annotated]
        async with self._database.transaction() as session:
            known = await GithubCommitRepository(session).peeled(repo, shas)
        unknown = [sha for sha in dict.fromkeys(shas) if sha not in known]
        learnt: dict[str, str | None] = {}
        if len(unknown) > _pages(all_tags):
            learnt.update(await self._commits_by_pages(annotated, repo, all_tags))
            unknown = [sha for sha in unknown if sha not in learnt]
        try:
            await _each(unknown, lambda sha: self._host.peel(repo, sha), learnt)
        finally:  # also what was learnt before the rate limit was met: a repeat goes on from there
            async with self._database.transaction() as session:
                await GithubCommitRepository(session).keep_peeled(repo, learnt)
        return {**known, **learnt}

    async def _commits_by_pages(
        self, annotated: Sequence[TagReference], repo: str, all_tags: int
    ) -> dict[str, str | None]:
        """Ask for the list that knows the commits, a hundred a request; it does not know the tag objects."""
        listed = {tag.name: tag.commit_sha for tag in await self._host.tags(repo, all_tags)}
        # a tag that moved meanwhile would be remembered wrongly for ever
        after = {tag.name: tag.sha for tag in await self._host.tag_references(repo)}
        return {tag.sha: listed[tag.name] for tag in annotated if tag.name in listed and after.get(tag.name) == tag.sha}

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


async def _each(wanted: Sequence[str], ask: Callable[[str], Awaitable[_Found]], answered: dict[str, _Found]) -> None:
    """Ask for all, several at once, into `answered`. The first refusal ends it and is raised."""
    places = asyncio.Semaphore(_AT_ONCE)

    async def one(what: str) -> None:
        async with places:
            answered[what] = await ask(what)

    try:
        async with asyncio.TaskGroup() as group:
            for what in wanted:
                group.create_task(one(what))
    except* DomainError as refusals:
        raise refusals.exceptions[0] from refusals


def _pages(tags: int) -> int:
    """Return how many requests it takes to list so many tags with their commits, and to see that none moved."""
    return -(-tags // _TAGS_PER_PAGE) + 1


def _storable(text: str) -> str:
    return text.replace("\x00", "")  # Postgres takes no NUL in a text


def _answer(tag: RepositoryTag, details: Details) -> TagAnswer:
    commit = TagCommit.model_validate({"sha": tag.commit_sha, "url": tag.commit_url, **details})
    return TagAnswer(name=tag.name, commit=commit, zipball_url=tag.zipball_url, tarball_url=tag.tarball_url)
