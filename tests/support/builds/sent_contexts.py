"""Source trees, and what an engine reads of them."""

import io
import tarfile
from pathlib import Path

from activities.context.places import BuildContext, locate_context
from activities.context.tar import write_context


def fill(tree: Path, *paths: str, **contents: str) -> None:
    for path in paths:
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_text(path)
    for name, content in contents.items():
        (tree / name).write_text(content)


def sent(context: Path, dockerfile: str = "Dockerfile") -> tuple[list[tarfile.TarInfo], dict[str, bytes]]:
    """Read what the engine would: the entries in order, and the files' contents."""
    return sent_of(locate_context(context, dockerfile, "."))


def sent_of(context: BuildContext) -> tuple[list[tarfile.TarInfo], dict[str, bytes]]:
    stream = io.BytesIO()
    write_context(context, stream.write)
    stream.seek(0)
    with tarfile.open(fileobj=stream, mode="r:") as tar:
        first, *entries = tar.getmembers()
        assert (first.name, first.isdir(), first.pax_headers) == (".", True, {})
        files = {entry.name: tar.extractfile(entry) for entry in entries if entry.isfile()}
        return entries, {name: file.read() for name, file in files.items() if file}


def names(context: Path, dockerfile: str = "Dockerfile") -> list[str]:
    return [entry.name for entry in sent(context, dockerfile)[0]]
