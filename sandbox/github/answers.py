"""The JSON bodies of GitHub's REST API: its field names, its messages, its ETags."""

import hashlib
import json
import re
import zlib
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.git import GitObject
from sandbox.repositories import ServedRepository

Json = dict[str, Any]

DOCUMENTATION_URL = "https://docs.github.com/rest"

_PERSON = re.compile(r"(?P<name>.*?) ?<(?P<email>[^>]*)> (?P<seconds>\d+) [+-]\d{4}")
_LAST_SECOND = 253_402_300_799  # of the year 9999; git knows later ones
_UNSIGNED: Json = {"verified": False, "reason": "unsigned", "signature": None, "payload": None, "verified_at": None}


class Refusal(Exception):
    """What GitHub answers instead of the thing asked for."""

    def __init__(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = headers

    def response(self) -> JSONResponse:
        body = {"message": self.message, "documentation_url": DOCUMENTATION_URL, "status": str(self.status)}
        return JSONResponse(body, self.status, self.headers)


def not_found() -> Refusal:
    return Refusal(404, "Not Found")


def answer(request: Request, body: Json | list[Json], headers: dict[str, str] | None = None) -> Response:
    """Answer with the body and its ETag, or 304 when the caller holds this very body already."""
    content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    etag = f'W/"{hashlib.sha256(content).hexdigest()}"'
    all_headers = {"etag": etag, "x-github-media-type": "github.v3; format=json", **(headers or {})}
    held = {each.strip() for each in request.headers.get("if-none-match", "").split(",")}
    if held & {etag, etag.removeprefix("W/"), "*"}:
        return Response(status_code=304, headers=all_headers)
    return Response(content, headers=all_headers, media_type="application/json; charset=utf-8")


def repository_url(base: str, repository: ServedRepository) -> str:
    return f"{base}/repos/{repository.full_name}"


def repository_body(base: str, repository: ServedRepository, default_branch: str) -> Json:
    url = repository_url(base, repository)
    return {
        "id": zlib.crc32(repository.full_name.encode()),
        "node_id": _node_id("R", repository.full_name),
        "name": repository.name,
        "full_name": repository.full_name,
        "private": repository.is_private,
        "visibility": "private" if repository.is_private else "public",
        "owner": {
            "login": repository.owner,
            "id": zlib.crc32(repository.owner.encode()),
            "node_id": _node_id("U", repository.owner),
            "type": "User",
        },
        "html_url": f"{base}/{repository.full_name}",
        "url": url,
        "tags_url": f"{url}/tags",
        "git_refs_url": f"{url}/git/refs{{/sha}}",
        "git_tags_url": f"{url}/git/tags{{/sha}}",
        "commits_url": f"{url}/commits{{/sha}}",
        "archive_url": f"{url}/{{archive_format}}{{/ref}}",
        "default_branch": default_branch,
        "description": None,
        "fork": False,
        "archived": False,
        "disabled": False,
    }


def tag_body(base: str, repository: ServedRepository, name: str, commit_sha: str) -> Json:
    url = repository_url(base, repository)
    return {
        "name": name,
        "zipball_url": f"{url}/zipball/refs/tags/{quote(name)}",
        "tarball_url": f"{url}/tarball/refs/tags/{quote(name)}",
        "commit": {"sha": commit_sha, "url": f"{url}/commits/{commit_sha}"},
        "node_id": _node_id("REF", f"{repository.full_name}:refs/tags/{name}"),
    }


def reference_body(base: str, repository: ServedRepository, tag: str, sha: str, kind: str) -> Json:
    url = repository_url(base, repository)
    return {
        "ref": f"refs/tags/{tag}",
        "node_id": _node_id("REF", f"{repository.full_name}:refs/tags/{tag}"),
        "url": f"{url}/git/refs/tags/{quote(tag)}",
        "object": {"sha": sha, "type": kind, "url": f"{url}/git/{kind}s/{sha}"},
    }


def tag_object_body(base: str, repository: ServedRepository, tag: GitObject) -> Json:
    url = repository_url(base, repository)
    target, kind = tag.header("object"), tag.header("type")
    return {
        "node_id": _node_id("TA", tag.sha),
        "tag": tag.header("tag"),
        "sha": tag.sha,
        "url": f"{url}/git/tags/{tag.sha}",
        "message": tag.message,
        "tagger": _person(tag.header("tagger")),
        "object": {"sha": target, "type": kind, "url": f"{url}/git/{kind}s/{target}"},
        "verification": _UNSIGNED,
    }


def commit_body(base: str, repository: ServedRepository, commit: GitObject) -> Json:
    url = repository_url(base, repository)
    tree = commit.header("tree")
    return {
        "sha": commit.sha,
        "node_id": _node_id("C", commit.sha),
        "commit": {
            "author": _person(commit.header("author")),
            "committer": _person(commit.header("committer")),
            "message": commit.message,
            "tree": {"sha": tree, "url": f"{url}/git/trees/{tree}"},
            "url": f"{url}/git/commits/{commit.sha}",
            "comment_count": 0,
            "verification": _UNSIGNED,
        },
        "url": f"{url}/commits/{commit.sha}",
        "html_url": f"{base}/{repository.full_name}/commit/{commit.sha}",
        "comments_url": f"{url}/commits/{commit.sha}/comments",
        "author": None,  # the account; a name without one is in commit.author
        "committer": None,
        "parents": [{"sha": sha, "url": f"{url}/commits/{sha}"} for name, sha in commit.headers if name == "parent"],
    }


def _person(line: str) -> Json | None:
    match = _PERSON.fullmatch(line)
    if match is None:
        return None
    date = datetime.fromtimestamp(min(int(match["seconds"][:15]), _LAST_SECOND), UTC)
    return {"name": match["name"], "email": match["email"], "date": date.strftime("%Y-%m-%dT%H:%M:%SZ")}


def _node_id(kind: str, key: str) -> str:
    return f"{kind}_{hashlib.sha256(key.encode()).hexdigest()[:20]}"
