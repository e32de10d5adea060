"""What steps copy from the context, and why it may not be there: links on the way to it."""

import posixpath
import re
from pathlib import Path, PurePosixPath

from activities.context.dockerfile import Dockerfile
from activities.context.left_out import why_missing
from activities.source.links import follow, link_text

_QUOTED = 120
_WILD = re.compile(r"[$*?\[]")  # what only the engine can tell the meaning of


def misleading_link(folder: Path, source: str, context_words: str) -> str | None:
    """Say which link on the way to `source`, in the context's folder, leads to nothing; None when none does. Blocks."""
    found = follow(folder, source)
    if not found.links or (found.place is not None and found.led_out is None):
        return None
    if found.place is None and found.is_circle:
        return f"{_quoted(found.links[0])} goes round in a circle of links"
    link = found.led_out or found.links[-1]
    said = f"{_quoted(link)} is a link to {_quoted(link_text(folder / link))}"
    if found.led_out is not None:
        return f"{said}, which leads out of {context_words}"
    return f"{said}, which is not in {context_words}"


def is_held(folder: Path, path: str) -> bool:
    """Say whether the context's folder holds what the engine did not find: then it was left out on the way. Blocks."""
    return follow(folder, path).place is not None


def why_missing_below(folder: Path, name: str, path: str) -> str:
    """Say why GitHub's archive lacks something of the context, which is called `name` in the source; "" if unknown."""
    depth = 0 if name == "." else len(PurePosixPath(name).parts)
    root = (folder, *folder.parents)[depth]
    return why_missing(root, (PurePosixPath(name) / path.lstrip("/")).as_posix()).strip().rstrip(".")


def may_take(dockerfile: Dockerfile, path: str) -> bool:
    """Say whether a step may copy or mount what lies at `path` in the context, as far as the Dockerfile tells."""
    for each in dockerfile.instructions:
        if each.word in ("COPY", "ADD") and each.flag("from") is None:
            sources = list(each.sources)
        else:
            binds = [mount for mount in each.mounts if mount.get("type", "bind") == "bind" and "from" not in mount]
            sources = [mount.get("source") or mount.get("src") or "." for mount in binds]
        if any(_holds(source, path) for source in sources):
            return True
    return False


def _holds(source: str, path: str) -> bool:
    folder = posixpath.normpath(f"/{source}").lstrip("/")
    return bool(_WILD.search(source)) or not folder or f"{path}/".startswith(f"{folder}/")


def _quoted(path: str) -> str:
    quoted = repr(path)
    return quoted if len(quoted) <= _QUOTED else f"{quoted[:_QUOTED]}…'"
