"""Where a build's context, its Dockerfile and its ignore file lie in a source tree.

Links are followed as BuildKit follows them: below the folder in question, as if that were the root of all.
"""

import os
import unicodedata
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from activities.context.left_out import why_missing
from activities.source.links import Followed, follow
from models.rules.errors.source import DockerfileInvalid

IGNORE_FILE = ".dockerignore"

_LONGEST_PATH = 1024  # bytes
_LONGEST_PART = 255
_QUOTED = 120
_MOST_SUGGESTIONS = 5
_MOST_LOOKED_AT = 20_000  # files, for suggestions


@dataclass(frozen=True)
class BuildContext:
    """No path here holds a link. `name` is the folder's path in the source, "." for its root, for words.

    The Dockerfile and its ignore file are regular files, which may lie outside the folder; no ignore file is no rules.
    """

    folder: Path
    name: str
    dockerfile: Path
    ignore_file: Path | None


def locate_context(tree: Path, dockerfile_path: str, context_path: str | None = None) -> BuildContext:
    """Find what a build reads in the source below `tree`; without `context_path` the Dockerfile's own folder. Blocks.

    Raises DockerfileInvalid, with a sentence about the path, when the Dockerfile or the folder is missing, is none, or
    leads out of the source, or the Dockerfile is a link out of its context.
    """
    asked = _checked_path(dockerfile_path, "Dockerfile")
    root = tree.resolve(strict=True)
    own = _folder(root, asked.parent, f"the folder of {_quoted(asked)}")
    folder = own
    if context_path is not None:
        folder = _folder(root, _checked_path(context_path, "context"), "the context")
        if folder is None:
            raise DockerfileInvalid(
                f"There is no folder {_quoted(PurePosixPath(context_path))} in the source to be the build's context."
                f"{why_missing(root, PurePosixPath(context_path).as_posix())}"
            )
    if own is None or folder is None:
        raise _missing(root, asked)
    dockerfile = _dockerfile(root, asked, own, folder)
    name = folder.relative_to(root).as_posix()
    return BuildContext(folder, name, dockerfile, _ignore_file(own, f"{asked.name}{IGNORE_FILE}", folder))


def _checked_path(text: str, what: str) -> PurePosixPath:
    path = PurePosixPath(text)
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in text):
        raise DockerfileInvalid(f"The path of the {what} holds control characters.")
    if len(path.as_posix().encode()) > _LONGEST_PATH or any(len(part.encode()) > _LONGEST_PART for part in path.parts):
        raise DockerfileInvalid(f"The path of the {what} is longer than any file's can be.")
    names_nothing = not text or (what == "Dockerfile" and not path.name)
    if path.is_absolute() or ".." in path.parts or names_nothing:
        kind = "file" if what == "Dockerfile" else "folder"
        raise DockerfileInvalid(
            f"{_quoted(path)} does not name a {kind} in the source; write its path from the top of the repository."
        )
    return path


def _folder(root: Path, path: PurePosixPath, what: str) -> Path | None:
    """Return the folder, None when there is none."""
    found = follow(root, path.as_posix())
    if found.led_out is not None:
        raise DockerfileInvalid(
            f"{what[0].upper()}{what[1:]} leads out of the source: {_quoted(PurePosixPath(found.led_out))} is a link."
        )
    return found.place if found.place is not None and found.place.is_dir() else None


def _dockerfile(root: Path, asked: PurePosixPath, own: Path, context: Path) -> Path:
    """Return the regular file: a link is followed in its own folder, as docker does, or to elsewhere in the context."""
    found = follow(own, asked.name)
    if found.place is None or found.led_out is not None:
        found = _in_context(root, own / asked.name, context) or found
    if found.place is None:
        if not (own / asked.name).is_symlink():
            raise _missing(root, asked)
        if found.led_out is not None:
            raise DockerfileInvalid(
                f"{_quoted(asked)} is a link that leads out of the build's context, {_context_words(root, context)}."
            )
        raise DockerfileInvalid(f"{_quoted(asked)} is a link to a file that does not exist.")
    if not found.place.is_file():
        kind = "a folder" if found.place.is_dir() else "no regular file"
        raise DockerfileInvalid(f"{_quoted(asked)} is {kind}; name a Dockerfile.{_suggestions(root)}")
    return found.place


def _in_context(root: Path, dockerfile: Path, context: Path) -> Followed | None:
    found = follow(root, dockerfile.relative_to(root).as_posix())
    is_inside = found.place is not None and found.led_out is None and found.place.is_relative_to(context)
    return found if is_inside else None


def _context_words(root: Path, context: Path) -> str:
    path = context.relative_to(root)
    return "the top of the repository" if path == Path() else f"the folder {_quoted(PurePosixPath(path))}"


def _missing(root: Path, asked: PurePosixPath) -> DockerfileInvalid:
    why = why_missing(root, asked.as_posix()) or _suggestions(root)
    return DockerfileInvalid(f"There is no {_quoted(asked)} in the source.{why}")


def _suggestions(root: Path) -> str:
    found: list[str] = []
    looked_at = 0
    for folder, folders, names in os.walk(root):
        folders.sort()
        looked_at += len(names) + len(folders)
        found += [
            _quoted(PurePosixPath((Path(folder) / name).relative_to(root)))
            for name in sorted(names)
            if "dockerfile" in name.lower() and not name.endswith(IGNORE_FILE)
        ]
        if len(found) >= _MOST_SUGGESTIONS or looked_at > _MOST_LOOKED_AT:
            break
    if not found and looked_at > _MOST_LOOKED_AT:
        return ""
    if not found:
        return (
            " It holds no Dockerfile at all; if GitHub shows one, an export-ignore keeps it out of GitHub's archives."
        )
    return f" There is: {', '.join(found[:_MOST_SUGGESTIONS])}."


def _ignore_file(own: Path, own_name: str, context: Path) -> Path | None:
    """Return the file whose rules hold. What is no file inside its folder says nothing, as to docker."""
    for folder, name in ((own, own_name), (context, IGNORE_FILE)):
        place = follow(folder, name).place
        if place is not None and place.is_file():
            return place
    return None


def _quoted(path: PurePosixPath) -> str:
    quoted = repr(str(path))
    return quoted if len(quoted) <= _QUOTED else f"{quoted[:_QUOTED]}…'"
