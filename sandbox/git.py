"""Reading git repositories with the git program: never through a shell, never with the machine's own git settings."""

import asyncio
import os
import re
import shutil
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_LONGEST_READ_SECONDS = 20.0
_LONGEST_SILENCE_OF_ARCHIVE_SECONDS = 60.0
_CHUNK_BYTES = 64 * 1024

GIT = shutil.which("git") or "git"  # found on this process's own path, which git itself is not given

SHA = re.compile(r"[0-9a-f]{40}")

# what `git check-ref-format` allows, which leaves nothing of git's arithmetic on revisions (`a..b`, `a~1`, `a@{1}`)
_REFERENCE = re.compile(
    r"(?!.*(?:\.\.|//|@\{|/\.|\.lock(?:/|\Z)))(?![/.])[^\x00-\x20\x7f~^:?*\[\\\ud800-\udfff]{1,1000}(?<![/.])"
)


class GitFailed(Exception):
    """The git program refused, or took too long."""


@dataclass(frozen=True)
class GitObject:
    """A commit or tag object: `headers` in their order without a signature, `message` without its last newline."""

    sha: str
    kind: str  # commit, tag, tree or blob
    headers: Sequence[tuple[str, str]]
    message: str

    def header(self, name: str) -> str:
        """Return the first header of that name, or an empty text."""
        return next((value for key, value in self.headers if key == name), "")


def is_reference(name: str) -> bool:
    """Tell whether git could hold a reference of this name; nothing else ever reaches git's standard input."""
    return _REFERENCE.fullmatch(name) is not None


def git_environment(**extra: str) -> Mapping[str, str]:
    """Return an environment in which git sees no settings but the repository's own."""
    return {
        "PATH": os.defpath,
        "HOME": os.devnull,
        "LC_ALL": "C.UTF-8",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_OPTIONAL_LOCKS": "0",
        **extra,
    }


def git_directory(folder: Path) -> Path | None:
    """Return where the folder keeps its git repository, bare or with a work tree; None when it is none."""
    # asked of the file system and handed to git by --git-dir: git by itself would go up to a repository around the root
    if (folder / ".git").exists():
        return folder / ".git"
    if (folder / "HEAD").is_file() and (folder / "objects").is_dir() and (folder / "refs").is_dir():
        return folder
    return None


class GitRepository:
    def __init__(self, git_dir: Path) -> None:
        self._command = (GIT, "-c", "safe.directory=*", f"--git-dir={git_dir}")

    async def tag_names(self) -> list[str]:
        """Return the names of all tags in GitHub's order: backwards by the alphabet."""
        listing = await self._read("for-each-ref", "--sort=-refname", "--format=%(refname:lstrip=2)", "refs/tags")
        return listing.decode("utf-8", "replace").splitlines()

    async def tag_references(self) -> list[tuple[str, str, str]]:
        """Return name, sha and kind of what each tag names directly, by the alphabet."""
        listing = await self._read(
            "for-each-ref", "--format=%(objectname) %(objecttype) %(refname:lstrip=2)", "refs/tags"
        )
        rows = [line.split(" ", 2) for line in listing.decode("utf-8", "replace").splitlines()]
        return [(name, sha, kind) for sha, kind, name in rows]

    async def tag_target(self, tag: str) -> tuple[str, str] | None:
        """Return sha and kind of what the tag names directly: a commit, or a tag object when it is annotated."""
        found = await self._look_up([f"refs/tags/{tag}"]) if is_reference(tag) else [None]
        return found[0]

    async def commits_of(self, references: Sequence[str]) -> list[str | None]:
        """Return for each reference the sha of the commit it leads to; None where it leads to none."""
        found = await self._look_up([f"{reference}^{{commit}}" for reference in references])
        return [None if each is None else each[0] for each in found]

    async def commit_of(self, reference: str) -> str | None:
        if not is_reference(reference):
            return None
        return (await self.commits_of([reference]))[0]

    async def read_object(self, sha: str) -> GitObject | None:
        """Return a commit or tag object by its full sha; None when the repository has no such object of these kinds."""
        found = (await self._look_up([sha]))[0] if SHA.fullmatch(sha) else None
        if found is None or found[1] not in {"commit", "tag"}:
            return None
        body = await self._read("cat-file", found[1], sha)
        return _parse(sha, found[1], body.decode("utf-8", "replace"))

    async def setting(self, name: str) -> bool:
        """Return a yes-or-no value of the repository's own configuration; False when it is not there."""
        try:
            answer = await self._read("config", "--local", "--type=bool", "--get", name)
        except GitFailed:
            return False
        return answer.strip() == b"true"

    async def default_branch(self) -> str:
        try:
            return (await self._read("symbolic-ref", "--short", "HEAD")).decode().strip()
        except GitFailed:  # a detached HEAD
            return "main"

    async def archive(self, sha: str, prefix: str) -> AsyncIterator[bytes]:
        """Yield the gzipped tarball of a commit. Raises GitFailed, also in mid-stream."""
        process = await asyncio.create_subprocess_exec(
            *self._command,
            "archive",
            "--format=tar.gz",
            f"--prefix={prefix}/",
            sha,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=git_environment(),
        )
        assert process.stdout is not None
        try:
            while True:
                async with asyncio.timeout(_LONGEST_SILENCE_OF_ARCHIVE_SECONDS):
                    chunk = await process.stdout.read(_CHUNK_BYTES)
                if not chunk:
                    break
                yield chunk
            if await process.wait() != 0:
                raise GitFailed(f"git archive ended with {process.returncode}")
        except TimeoutError as silence:
            raise GitFailed("git archive fell silent") from silence
        finally:
            await _end(process)

    async def _look_up(self, revisions: Sequence[str]) -> list[tuple[str, str] | None]:
        """Return sha and kind of each revision. They go to git's standard input, so none can become an option."""
        if not revisions:
            return []
        answer = await self._read("cat-file", "--batch-check", text="".join(f"{each}\n" for each in revisions))
        lines = answer.decode("utf-8", "replace").splitlines()
        return [_sha_and_kind(line) for line in lines]

    async def _read(self, *arguments: str, text: str = "") -> bytes:
        process = await asyncio.create_subprocess_exec(
            *self._command,
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=git_environment(),
        )
        try:
            async with asyncio.timeout(_LONGEST_READ_SECONDS):
                output, complaint = await process.communicate(text.encode())
        except TimeoutError as slow:
            raise GitFailed(f"git {arguments[0]} took longer than {_LONGEST_READ_SECONDS} s") from slow
        finally:
            await _end(process)
        if process.returncode != 0:
            raise GitFailed(f"git {arguments[0]}: {complaint.decode('utf-8', 'replace').strip()}")
        return output


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _sha_and_kind(line: str) -> tuple[str, str] | None:
    """Read one line of `cat-file --batch-check`: sha, kind, size, or the question and "missing" or "ambiguous"."""
    words = line.split(" ")
    return (words[0], words[1]) if SHA.fullmatch(words[0]) and words[1] not in {"missing", "ambiguous"} else None


def _parse(sha: str, kind: str, text: str) -> GitObject:
    head, _blank, message = text.partition("\n\n")
    # a line that begins with a space goes on with the header above it, as signatures do
    lines = (line for line in head.split("\n") if not line.startswith(" "))
    headers = [(name, value) for name, _space, value in (line.partition(" ") for line in lines)]
    return GitObject(sha, kind, headers, message.removesuffix("\n"))
