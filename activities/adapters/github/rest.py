"""GitHub's REST API, and what speaks it: tags, commits, tarballs.

Nothing is repeated here: whoever calls decides, and every error says whether a repeat may help.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from datetime import timedelta
from http import HTTPStatus
from typing import TypeVar
from urllib.parse import quote

import httpx
import structlog
from pydantic import TypeAdapter, ValidationError

from activities.adapters.github import answers
from activities.adapters.github.names import checked_sha, is_repository, is_tag
from activities.ports.source_host import CommitDetails, RepositoryTag, ResolvedTag, TagReference
from models.rules.errors.domain import DomainError
from models.rules.errors.request import RequestInvalid
from models.rules.errors.source import RepositoryNotFound, SourceHostUnreachable, SourceHostWrong, TagNotFound
from models.rules.redaction import Redaction

_MOST_REDIRECTS = 5
_DEEPEST_TAG = 10
_TAGS_PER_PAGE = 100
_MOST_TAGS = 10_000  # where they come in pages
_TAGS = "refs/tags/"
_LARGEST_ANSWER_BYTES = 16 * 1024 * 1024
_LARGEST_COMPLAINT_BYTES = 64 * 1024
_SHOWN = 12  # characters of a sha in a sentence

# 404: not there, or not to be seen with this token; 409: the repository is empty; 422: no such commit
_NOT_THERE = {HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY}

_Shape = TypeVar("_Shape")


class GitHub:
    """A SourceHost."""

    def __init__(self, api_url: str, token: str | None, timeout: timedelta) -> None:
        """`timeout` is the longest silence that is borne; a short answer must also be whole within it."""
        token = (token or "").strip()
        if not token.isascii() or not token.isprintable():
            raise ValueError("the GitHub token holds characters that no token has; copy it again")
        headers = {
            "User-Agent": "slipway",
            "Accept": "application/vnd.github+json",
            "X-GitHub-Api-Version": "2022-11-28",
        }
        if token:
            headers["Authorization"] = f"Bearer {token}"  # httpx drops it at a redirect to another origin
        self._api = httpx.URL(api_url.rstrip("/"))
        self._token = token
        self._redaction = Redaction((token,) if token else ())
        self._silence_seconds = timeout.total_seconds()
        self._http = httpx.AsyncClient(
            headers=headers,
            timeout=httpx.Timeout(self._silence_seconds),
            follow_redirects=True,
            max_redirects=_MOST_REDIRECTS,
            # a proxy that the environment names has no business between this machine and itself
            mounts={"all://127.0.0.1": None, "all://localhost": None},
        )

    async def aclose(self) -> None:
        await self._http.aclose()

    async def resolve_tag(self, repo: str, tag: str) -> ResolvedTag:
        if not is_tag(tag):
            raise RequestInvalid(f"{tag!r} is no name that git allows for a tag; give an existing tag's name.")
        place, thing = self._place(repo), f"tag {tag}"
        target = (await self._get(f"{place}/git/ref/tags/{quote(tag)}", repo, thing, answers.REFERENCE)).object
        *objects, target = await self._peeled(target, repo, thing)
        if target.type != "commit":
            raise TagNotFound(f"The tag {tag} of {repo} leads to a {target.type}, not to a commit; tag a commit.")
        return ResolvedTag(target.sha, tuple(each.sha for each in objects))

    @asynccontextmanager
    async def tarball(self, repo: str, commit: str) -> AsyncIterator[AsyncIterator[bytes]]:
        url, thing = f"{self._place(repo)}/tarball/{checked_sha(commit)}", f"source of commit {commit[:_SHOWN]}"
        async with (
            self._open(url, repo, thing, encoding="identity") as response,
            aclosing(self._chunks(response, f"the {thing} of {repo}")) as chunks,
        ):
            yield chunks

    async def tag_references(self, repo: str) -> list[TagReference]:
        # one answer for all of them, however many, and a hundredth of what their pages would cost of the rate limit
        url = f"{self._place(repo)}/git/matching-refs/tags/"
        try:
            found = await self._pages(url, repo, "list of tags", answers.REFERENCES, _MOST_TAGS)
        except TagNotFound:  # the repository is there: its host does not know this list, or it is empty
            return [TagReference(tag.name, tag.commit_sha, "commit") for tag in await self.tags(repo, _MOST_TAGS)]
        return [
            TagReference(each.ref.removeprefix(_TAGS), each.object.sha, each.object.type)
            for each in found
            if each.ref.startswith(_TAGS)
        ]

    async def tags(self, repo: str, limit: int) -> list[RepositoryTag]:
        url = f"{self._place(repo)}/tags?per_page={_TAGS_PER_PAGE}"
        found = await self._pages(url, repo, "list of tags", answers.TAGS, limit)
        return [
            RepositoryTag(tag.name, tag.commit.sha, tag.commit.url, tag.zipball_url, tag.tarball_url)
            for tag in found[: max(0, limit)]
        ]

    async def peel(self, repo: str, tag_sha: str) -> str | None:
        target = answers.Target(type="tag", sha=checked_sha(tag_sha))
        target = (await self._peeled(target, repo, f"tag object {tag_sha[:_SHOWN]}"))[-1]
        return target.sha if target.type == "commit" else None

    def tag_of(self, repo: str, name: str, commit_sha: str) -> RepositoryTag:
        place, of_tag = self._place(repo), f"refs/tags/{quote(name)}"
        return RepositoryTag(
            name,
            commit_sha,
            f"{place}/commits/{commit_sha}",
            f"{place}/zipball/{of_tag}",
            f"{place}/tarball/{of_tag}",
        )

    async def commit(self, repo: str, sha: str) -> CommitDetails:
        # per_page bounds the changed files that come along, which nobody asked for
        url = f"{self._place(repo)}/commits/{checked_sha(sha)}?per_page=1"
        found = await self._get(url, repo, f"commit {sha[:_SHOWN]}", answers.COMMIT)
        author = found.commit.author.name if found.commit.author else None
        return CommitDetails(found.sha, found.commit.committer.date, author or "", found.commit.message)

    def _place(self, repo: str) -> str:
        if not is_repository(repo):
            raise RequestInvalid(f"{repo!r} is no name of a repository; write owner/name.")
        return f"{self._api}/repos/{repo}"

    async def _peeled(self, target: answers.Target, repo: str, thing: str) -> list[answers.Target]:
        """Follow annotated tags; return them and what they lead to, a tag still when there are too many of them."""
        way = [target]
        while way[-1].type == "tag" and len(way) <= _DEEPEST_TAG:
            url = f"{self._place(repo)}/git/tags/{way[-1].sha}"
            way.append((await self._get(url, repo, thing, answers.REFERENCE)).object)
        return way

    async def _pages(
        self, url: str | None, repo: str, thing: str, shape: TypeAdapter[list[_Shape]], limit: int
    ) -> list[_Shape]:
        """Return a list page by page until there are `limit` items."""
        found: list[_Shape] = []
        pages_left = -(-limit // _TAGS_PER_PAGE)  # the bound, also when the host's pages lead in a circle
        while url and pages_left > 0 and len(found) < limit:
            pages_left -= 1
            async with self._open(url, repo, thing) as response:
                page: list[_Shape] = self._understand(response, await self._body(response), shape)
                url = self._next_page(response)
            found += page
        return found

    async def _get(self, url: str, repo: str, thing: str, shape: TypeAdapter[_Shape]) -> _Shape:
        async with self._open(url, repo, thing) as response:
            return self._understand(response, await self._body(response), shape)

    @asynccontextmanager
    async def _open(
        self, url: str, repo: str, thing: str, *, encoding: str | None = None
    ) -> AsyncIterator[httpx.Response]:
        """Yield a 200, its body still to be read. Raises what a SourceHost raises; `thing` is said in its sentences."""
        async with self._answered(url, f"the {thing} of {repo}", encoding) as response:
            if response.status_code in _NOT_THERE:
                raise await self._missing(repo, thing)
            if response.status_code != HTTPStatus.OK:
                raise await self._refusal(response, f"the {thing} of {repo}")
            yield response

    @asynccontextmanager
    async def _answered(self, url: str, wanted: str, encoding: str | None = None) -> AsyncIterator[httpx.Response]:
        headers = _correlation() | ({"Accept-Encoding": encoding} if encoding else {})
        request = self._http.build_request("GET", url, headers=headers)
        try:
            response = await self._http.send(request, stream=True)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self._unanswered(error, wanted) from error
        async with aclosing(response):
            yield response

    async def _missing(self, repo: str, thing: str) -> DomainError:
        """Tell a repository that is not there from one that lacks the thing."""
        wanted = f"the repository {repo}"
        async with self._answered(self._place(repo), wanted) as response:
            if response.status_code == HTTPStatus.OK:
                return TagNotFound(f"GitHub has no {thing} in {repo}; check its spelling, or push it first.")
            if response.status_code == HTTPStatus.NOT_FOUND:
                hint = "check what the token may read" if self._token else "a private one needs GITHUB_TOKEN"
                return RepositoryNotFound(f"GitHub shows no repository {repo}; check its spelling, or {hint}.")
            return await self._refusal(response, wanted)

    async def _refusal(self, response: httpx.Response, wanted: str) -> DomainError:
        try:
            body = await self._body(response, _LARGEST_COMPLAINT_BYTES)
        except (SourceHostUnreachable, SourceHostWrong):  # the status says enough
            body = b""
        complaint = answers.complaint_in(body, self._redaction)
        return answers.refusal(_host(response.url), response.status_code, response.headers, complaint, wanted)

    async def _body(self, response: httpx.Response, most_bytes: int = _LARGEST_ANSWER_BYTES) -> bytes:
        """Read a short answer whole, within the longest silence. Raises SourceHostUnreachable, SourceHostWrong."""
        content = bytearray()
        host = _host(response.url)
        try:
            async with asyncio.timeout(self._silence_seconds):
                async for chunk in response.aiter_bytes():
                    content += chunk
                    if len(content) > most_bytes:
                        raise SourceHostWrong(f"{host} sent an endless answer; check GITHUB_API_URL.")
        except (TimeoutError, httpx.HTTPError) as error:
            raise SourceHostUnreachable(f"{host} did not finish its answer; try again later.") from error
        return bytes(content)

    async def _chunks(self, response: httpx.Response, wanted: str) -> AsyncGenerator[bytes, None]:
        host, size_bytes = _host(response.url), 0
        try:
            async for chunk in response.aiter_raw():  # raw: the tarball stays gzipped, whatever the headers say
                size_bytes += len(chunk)
                yield chunk
        except httpx.TimeoutException as error:
            raise SourceHostUnreachable(
                f"{host} fell silent for {self._silence_seconds:g} s, {size_bytes} bytes into {wanted}; try again."
            ) from error
        except httpx.TransportError as error:
            raise SourceHostUnreachable(
                f"{host} broke off after {size_bytes} bytes of {wanted}; a new download may bring it whole."
            ) from error

    def _unanswered(self, error: httpx.HTTPError | httpx.InvalidURL, wanted: str) -> DomainError:
        # of a redirect only the host is told: its query may hold a ticket
        host = _host(error.request.url if isinstance(error, httpx.RequestError) else self._api)
        match error:
            case httpx.TimeoutException():
                cause = f"{host} was silent for {self._silence_seconds:g} s when asked for {wanted}"
            case httpx.ConnectError() | httpx.ProxyError():
                cause = f"{host} cannot be reached for {wanted}"
            case httpx.TooManyRedirects() | httpx.UnsupportedProtocol() | httpx.InvalidURL():
                return SourceHostWrong(f"{host} sent us nowhere when asked for {wanted}; check GITHUB_API_URL.")
            case _:
                cause = f"{host} broke the connection when asked for {wanted}"
        return SourceHostUnreachable(f"{cause}; check the network and GITHUB_API_URL, then try again.")

    def _understand(self, response: httpx.Response, body: bytes, shape: TypeAdapter[_Shape]) -> _Shape:
        try:
            return shape.validate_json(body)
        except ValidationError as error:
            raise SourceHostWrong(
                f"{_host(response.url)} answered something that is not GitHub's API; check GITHUB_API_URL and proxies."
            ) from error

    def _next_page(self, response: httpx.Response) -> str | None:
        link = response.links.get("next", {}).get("url")
        if not link:
            return None
        try:
            url = response.url.join(link)
        except httpx.InvalidURL:
            url = httpx.URL()
        if (url.scheme, url.host, url.port) != (self._api.scheme, self._api.host, self._api.port):
            raise SourceHostWrong(
                f"{_host(self._api)} sent us to another host for the next page; check GITHUB_API_URL."
            )
        return str(url)


def _correlation() -> dict[str, str]:
    """What joins a request to the log lines of what set it off, when that is known."""
    known = structlog.contextvars.get_contextvars().get("correlation_id")
    return {"X-Correlation-ID": str(known)} if known else {}


def _host(url: httpx.URL) -> str:
    return url.netloc.decode("ascii", "replace")
