"""Folders of ours on disk, whatever strangers have put into them."""

import contextlib
import os
from pathlib import Path


def remove_tree(path: Path) -> None:
    """Remove a file, a link or a whole folder, also read-only ones; links are not followed. A repeat is harmless."""
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
        return
    folders = [path]
    for folder in folders:  # grows meanwhile: a loop, because depth must not exhaust the stack
        with contextlib.suppress(FileNotFoundError):
            folder.chmod(0o700)
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(Path(entry.path))
                    else:
                        Path(entry.path).unlink(missing_ok=True)
    for folder in reversed(folders):
        with contextlib.suppress(FileNotFoundError):
            folder.rmdir()
