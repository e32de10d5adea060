"""Somebody that Postgres agrees to run as: it refuses root."""

import asyncio
import os
import pwd
import shutil
from contextlib import suppress
from pathlib import Path

from standalone.errors import CannotStart
from standalone.programs import output_of

# Root under another number: files stay root's, nobody is added to the system, no folder is opened.
_RENAMED = ("unshare", "--user", "--map-user=1000", "--map-group=1000", "--")


async def unprivileged(cluster: Path, program: Path) -> tuple[str, ...]:
    """Return the words before `program` that make us somebody who may run it on `cluster`. Raises CannotStart."""
    if os.geteuid() != 0:
        return ()
    owner = await asyncio.to_thread(_owner_of, cluster)
    if owner is not None:
        await asyncio.to_thread(let_in, cluster.parent, owner.st_gid)
        return _becoming(owner.st_uid, owner.st_gid)
    if shutil.which("unshare") and (await output_of((*_RENAMED, "true")))[0] == 0:
        return _RENAMED
    return await _another_user(cluster, program)


async def _another_user(cluster: Path, program: Path) -> tuple[str, ...]:
    """Where user namespaces are refused (some containers): an OS user that can reach the program and the folder."""
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            user = pwd.getpwnam(name)
            words = _becoming(user.pw_uid, user.pw_gid)
            await asyncio.to_thread(let_in, cluster.parent, user.pw_gid)
            reached = ("sh", "-c", 'test -x "$0" && test -x "$1"', str(program), str(cluster.parent))
            if (await output_of((*words, *reached)))[0] == 0:
                await asyncio.to_thread(_give_to, cluster, user)
                return words
    raise CannotStart(
        "Postgres refuses to run as root, and this system refuses user namespaces: run Slipway as an ordinary"
        f" user, or let the user postgres or nobody enter {cluster.parent.parent} and {program.parent}"
    )


def _owner_of(cluster: Path) -> os.stat_result | None:
    """Return who has it, None when root or nobody has."""
    found = cluster.stat() if cluster.exists() else None
    return found if found and found.st_uid != 0 else None


def let_in(folder: Path, group: int) -> None:
    """Let a group pass through a folder of ours, to what it may read below, where nobody but us could."""
    if not folder.stat().st_mode & 0o001:
        os.chown(folder, -1, group)
        folder.chmod(0o710)


def user_and_group_in(words: tuple[str, ...]) -> tuple[int, int] | None:
    """Return whom the words switch to, None where files stay ours."""
    told = dict(word.removeprefix("--").split("=") for word in words if word.startswith(("--reuid=", "--regid=")))
    return (int(told["reuid"]), int(told["regid"])) if told else None


def _becoming(user: int, group: int) -> tuple[str, ...]:
    return ("setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups", "--")


def _give_to(folder: Path, user: pwd.struct_passwd) -> None:
    for path in (folder, *folder.rglob("*")) if folder.exists() else ():
        os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)
