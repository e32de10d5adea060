"""The repositories that are served: every `<root>/<owner>/<repo>` that git knows, looked for anew at each request."""

import asyncio
import re
from dataclasses import dataclass
from pathlib import Path

from sandbox.git import GitRepository, git_directory

_OWNER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
_NAME = re.compile(r"(?!\.)[A-Za-z0-9._-]{1,100}")


@dataclass(frozen=True)
class ServedRepository:
    owner: str
    name: str
    is_private: bool
    git: GitRepository

    @property
    def full_name(self) -> str:
        return f"{self.owner}/{self.name}"


class Repositories:
    def __init__(self, root: Path) -> None:
        self._root = root

    async def find(self, owner: str, name: str) -> ServedRepository | None:
        """Return the repository, None when there is none. Private: `git config slipway.private true` within it."""
        if not _OWNER.fullmatch(owner) or not _NAME.fullmatch(name):
            return None
        git_dir = await asyncio.to_thread(git_directory, self._root / owner / name)
        if git_dir is None:
            return None
        git = GitRepository(git_dir)
        return ServedRepository(owner, name, is_private=await git.setting("slipway.private"), git=git)
