"""The routes of GitHub's REST API, version 3, as far as a build needs them, and the download host's one route."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from typing import Annotated
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Depends, Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import Receive, Scope, Send

from sandbox.git import GitFailed
from sandbox.github import answers
from sandbox.github.answers import Refusal, answer, not_found
from sandbox.repositories import Repositories, ServedRepository

_PAGE = 30
_LONGEST_PAGE = 100


@dataclass(frozen=True)
class SourceHost:
    """What the routes work on. `download_url` is where tarballs come from; None: this server."""

    repositories: Repositories
    download_url: str | None = None
    key: bytes = field(default_factory=lambda: secrets.token_bytes(32))

    def ticket(self, repository: ServedRepository, reference: str) -> str:
        """Return what lets a download of a private repository through without a token, as GitHub's redirects have."""
        return hmac.new(self.key, f"{repository.full_name}\n{reference}".encode(), hashlib.sha256).hexdigest()


def _source_host(request: Request) -> SourceHost:
    host = request.app.state.source_host
    assert isinstance(host, SourceHost)
    return host


Host = Annotated[SourceHost, Depends(_source_host)]


async def _visible_repository(request: Request, host: Host, owner: str, name: str) -> ServedRepository:
    repository = await host.repositories.find(owner, name)
    # 404, not 403, when a token may not see the repository: its very existence is private
    if repository is None or (repository.is_private and not request.state.has_token):
        raise not_found()
    return repository


Visible = Annotated[ServedRepository, Depends(_visible_repository)]

router = APIRouter()


@router.get("/repos/{owner}/{name}")
async def get_repository(request: Request, repository: Visible) -> Response:
    body = answers.repository_body(_base(request), repository, await repository.git.default_branch())
    return answer(request, body)


@router.get("/repos/{owner}/{name}/tags")
async def list_tags(request: Request, repository: Visible) -> Response:
    per_page = min(_positive(request, "per_page", _PAGE), _LONGEST_PAGE)
    page = _positive(request, "page", 1)
    names = await repository.git.tag_names()
    shown = names[(page - 1) * per_page : page * per_page]
    commits = await repository.git.commits_of([f"refs/tags/{name}" for name in shown])
    base = _base(request)
    body = [
        answers.tag_body(base, repository, name, sha)
        for name, sha in zip(shown, commits, strict=True)
        if sha is not None  # a tag of a tree or a blob is no version of the source
    ]
    last = max(1, -(-len(names) // per_page))
    link = _link(f"{answers.repository_url(base, repository)}/tags", per_page, page, last)
    return answer(request, body, {"link": link} if link else None)


@router.get("/repos/{owner}/{name}/git/matching-refs/tags/{start:path}")
async def list_matching_references(request: Request, repository: Visible, start: str) -> Response:
    base = _base(request)
    tags = await repository.git.tag_references()
    body = [answers.reference_body(base, repository, *tag) for tag in tags if tag[0].startswith(start)]
    return answer(request, body)


@router.get("/repos/{owner}/{name}/git/ref/tags/{tag:path}")
async def get_reference(request: Request, repository: Visible, tag: str) -> Response:
    target = await repository.git.tag_target(tag)
    if target is None:
        raise not_found()
    return answer(request, answers.reference_body(_base(request), repository, tag, *target))


@router.get("/repos/{owner}/{name}/git/tags/{sha}")
async def get_tag_object(request: Request, repository: Visible, sha: str) -> Response:
    tag = await repository.git.read_object(sha)
    if tag is None or tag.kind != "tag":
        raise not_found()
    return answer(request, answers.tag_object_body(_base(request), repository, tag))


@router.get("/repos/{owner}/{name}/commits/{reference:path}")
async def get_commit(request: Request, repository: Visible, reference: str) -> Response:
    sha = await repository.git.commit_of(reference)
    commit = await repository.git.read_object(sha) if sha else None
    if commit is None:
        raise Refusal(422, f"No commit found for SHA: {reference}")
    return answer(request, answers.commit_body(_base(request), repository, commit))


@router.get("/repos/{owner}/{name}/tarball/{reference:path}")
async def redirect_to_tarball(request: Request, host: Host, repository: Visible, reference: str) -> Response:
    """Send the caller to the download host, which is another one than the API's: there the token has no business."""
    base = host.download_url or f"{_base(request)}/codeload"
    ticket = urlencode({"token": host.ticket(repository, reference)}) if repository.is_private else ""
    url = f"{base}/{repository.full_name}/legacy.tar.gz/{quote(reference)}"
    return RedirectResponse(f"{url}?{ticket}" if ticket else url, 302)


@router.get("/codeload/{owner}/{name}/legacy.tar.gz/{reference:path}")
async def download_tarball(request: Request, host: Host, owner: str, name: str, reference: str) -> Response:
    repository = await host.repositories.find(owner, name)
    sha = await repository.git.commit_of(reference) if repository else None
    if repository is None or sha is None:
        return PlainTextResponse("404: Not Found", 404)
    ticket = request.query_params.get("token", "")
    if repository.is_private and not hmac.compare_digest(ticket.encode(), host.ticket(repository, reference).encode()):
        return PlainTextResponse("404: Not Found", 404)
    return TarballResponse(repository, sha)


class TarballResponse(Response):
    """The archive as git makes it. It has no Content-Length, like GitHub's; when git fails, the connection breaks."""

    media_type = "application/x-gzip"

    def __init__(self, repository: ServedRepository, sha: str) -> None:
        self._prefix = f"{repository.owner}-{repository.name}-{sha[:7]}"
        super().__init__(headers={"content-disposition": f"attachment; filename={self._prefix}.tar.gz"})
        del self.headers["content-length"]
        self._chunks = repository.git.archive(sha, self._prefix)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        try:
            async for chunk in self._chunks:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        except GitFailed:
            return  # the server closes what is not complete
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def _base(request: Request) -> str:
    return str(request.base_url).rstrip("/")


def _positive(request: Request, name: str, default: int) -> int:
    """Read a number of the query as leniently as GitHub: what is none, or too small, is the default."""
    value = request.query_params.get(name, "")
    number = int(value[:9]) if value.isascii() and value.isdecimal() else 0
    return number or default


def _link(url: str, per_page: int, page: int, last: int) -> str:
    pages = {}
    if page > 1:
        pages["prev"] = min(page - 1, last)
    if page < last:
        pages["next"] = page + 1
        pages["last"] = last
    if page > 1:
        pages["first"] = 1
    return ", ".join(f'<{url}?per_page={per_page}&page={number}>; rel="{rel}"' for rel, number in pages.items())
