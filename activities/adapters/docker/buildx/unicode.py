"""What a session cannot carry: its messages are Unicode, while the names in a tar are bytes."""

import os
from pathlib import Path

from activities.ports.engine import EngineBuildRequest


def is_unicode(request: EngineBuildRequest) -> bool:
    """Tell whether all names, links and ignore rules of the context are text. Blocks, a moment for each name.

    Docker's own client fails on others ("string field contains invalid UTF-8").
    """
    rules = request.ignore_file.read_bytes() if request.ignore_file is not None else b""
    lines = (line for line in rules.splitlines() if not line.startswith(b"#"))
    return all(map(_is_text, lines)) and _is_unicode_below(request.context_dir)


def _is_unicode_below(folder: Path) -> bool:
    folders = [os.fspath(folder)]
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                target = os.readlink(entry.path) if entry.is_symlink() else ""  # noqa: PTH115 - a Path a name is slow
                said = entry.name + target
                if not said.isascii() and not _is_text(os.fsencode(said)):
                    return False
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
    return True


def _is_text(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True
