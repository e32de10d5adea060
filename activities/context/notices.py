"""What a person should know of a source before he deploys what is built from it, though the build goes on."""

import os
from collections.abc import Sequence
from pathlib import Path

from activities.context.ignore_patterns import IgnoreRules
from activities.context.left_out import export_rules, submodules
from activities.context.places import IGNORE_FILE, BuildContext
from activities.source.archive import MOST_POINTERS
from activities.source.links import follow

_MOST_NAMED = 5
_LONGEST_NAME = 60


def source_notices(
    root: Path, context: BuildContext, rules: IgnoreRules, lfs_pointers: Sequence[str]
) -> tuple[str, ...]:
    """Return sentences about the source below `root`, as far as the context holds what they are about. Blocks.

    `lfs_pointers` are paths in the source of files that only stand for others.
    """
    lfs = [path for path in lfs_pointers if _is_sent(path, context, rules)]
    empty = [path for path in submodules(root) if _is_sent(path, context, rules) and not _holds_anything(root, path)]
    left_out = _left_out(root, context)
    found = []
    if lfs:
        many = f"{len(lfs)}{' or more' if len(lfs) == MOST_POINTERS else ''} files are pointers"
        what = many if len(lfs) > 1 else "1 file of the build's context is a pointer"
        found.append(f"Git LFS: {what}, not the contents GitHub shows: {_named(lfs)}.")
    if empty:
        found.append(f"Submodules are empty in GitHub's archives, and so in the build's context: {_named(empty)}.")
    if left_out:
        found.append(
            f"GitHub's archives leave out what .gitattributes marks as export-ignore, so it is not in the build's"
            f" context: {_named(left_out)}."
        )
    if context.ignore_file is None and os.path.lexists(context.folder / IGNORE_FILE):
        found.append(f"{IGNORE_FILE} is no file of the build's context, so nothing is left out, as with docker build.")
    return tuple(found)


def _left_out(root: Path, context: BuildContext) -> list[str]:
    """Return patterns of what the context may lack, but for git's own files, which no image needs."""
    rules = [rule for rule in export_rules(root, _folder(context)) if rule.may_concern(_folder(context))]
    taken_back = {(rule.folder, rule.text) for rule in rules if not rule.sets}
    wanted = [rule for rule in rules if rule.sets and (rule.folder, rule.text) not in taken_back]
    return [
        f"{rule.folder}/{rule.text.lstrip('/')}" if rule.folder else rule.text
        for rule in wanted
        if not rule.text.strip("/").rpartition("/")[2].startswith(".git")
    ]


def _folder(context: BuildContext) -> str:
    return "" if context.name == "." else context.name


def _is_sent(path: str, context: BuildContext, rules: IgnoreRules) -> bool:
    folder = _folder(context)
    if folder and not path.startswith(f"{folder}/"):
        return False
    return not rules.leaves_out(path.removeprefix(f"{folder}/") if folder else path)


def _holds_anything(root: Path, path: str) -> bool:
    place = follow(root, path).place
    if place is None or not place.is_dir():
        return place is not None
    with os.scandir(place) as entries:
        return next(entries, None) is not None


def _named(paths: Sequence[str]) -> str:
    named = ", ".join(_quoted(path) for path in paths[:_MOST_NAMED])
    more = len(paths) - _MOST_NAMED
    return named if more <= 0 else f"{named} and {more} more"


def _quoted(path: str) -> str:
    quoted = repr(path)
    return quoted if len(quoted) <= _LONGEST_NAME else f"'…{quoted[-_LONGEST_NAME:]}"
