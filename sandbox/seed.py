"""Makes the sample product's repository, `demo/hello`, the same to the last bit on every machine."""

import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from sandbox.git import GIT, git_directory, git_environment

SOURCES = Path(__file__).parent / "hello"
_LONGEST_STEP_SECONDS = 30


@dataclass(frozen=True)
class _Version:
    tag: str
    is_annotated: bool
    date: str
    message: str


_VERSIONS = (
    _Version("v1.0.0", is_annotated=False, date="2026-01-15T09:00:00+00:00", message="Say hello"),
    _Version("v1.1.0", is_annotated=True, date="2026-02-12T09:00:00+00:00", message="Say who answers"),
)


class SeedFailed(Exception):
    """The sample repository could not be made; the text says why."""


def seed(root: Path) -> Path:
    """Make `<root>/demo/hello` when it is not there and return its folder. Raises SeedFailed.

    A repeat, also one at the same moment in another process, finds what the first has made. It appears whole or not
    at all: it is made beside its place and renamed.
    """
    place = root / "demo" / "hello"
    if git_directory(place) is not None:
        return place
    place.parent.mkdir(parents=True, exist_ok=True)
    # the dot keeps the half-made repository from being served as an owner's
    with tempfile.TemporaryDirectory(prefix=".seed-", dir=root) as workshop:
        made = Path(workshop) / "hello"
        _make(made)
        try:
            made.rename(place)
        except OSError as taken:
            if git_directory(place) is None:
                raise SeedFailed(f"{place} is in the way and is no git repository; move it elsewhere") from taken
    return place


def _make(folder: Path) -> None:
    folder.mkdir()
    _git(folder, "init", "--quiet", "--template=", "--initial-branch=main")
    for version in _VERSIONS:
        for old in (each for each in folder.iterdir() if each.name != ".git"):
            shutil.rmtree(old) if old.is_dir() else old.unlink()
        shutil.copytree(SOURCES / version.tag, folder, dirs_exist_ok=True)
        # from an empty index: by size, second and inode alone git would take some changed files for the old ones
        _git(folder, "read-tree", "--empty")
        _git(folder, "add", "--all")
        _git(folder, "commit", "--quiet", f"--message={version.message}", date=version.date)
        annotation = ["--annotate", f"--message=hello {version.tag}"] if version.is_annotated else []
        _git(folder, "tag", *annotation, version.tag, date=version.date)


def _git(folder: Path, *arguments: str, date: str = "") -> None:
    name, email = "Slipway", "hello@slipway.invalid"
    environment = git_environment(
        GIT_AUTHOR_NAME=name,
        GIT_AUTHOR_EMAIL=email,
        GIT_AUTHOR_DATE=date,
        GIT_COMMITTER_NAME=name,
        GIT_COMMITTER_EMAIL=email,
        GIT_COMMITTER_DATE=date,
    )
    # fileMode off: whether a checkout kept the executable bits must not change the commits
    command = [GIT, "-C", str(folder), "-c", "safe.directory=*", "-c", "core.fileMode=false", *arguments]
    try:
        subprocess.run(
            command, env=environment, check=True, capture_output=True, text=True, timeout=_LONGEST_STEP_SECONDS
        )
    except FileNotFoundError as missing:
        raise SeedFailed("the sandbox needs the git program; install git") from missing
    except subprocess.CalledProcessError as failed:
        raise SeedFailed(f"git {arguments[0]} failed: {failed.stderr.strip()}") from failed
