"""From a kept archive to a context on disk, as a clone holds it, and what is to be said of it."""

from dataclasses import dataclass
from pathlib import Path

from activities.context.notices import source_notices
from activities.context.places import BuildContext, locate_context
from activities.context.tar import ignore_rules
from activities.source.archive import extract_archive
from activities.source.tarball import Progress
from activities.source.tree import ArchiveLimits
from activities.source.wanted import wanted_for


@dataclass(frozen=True)
class PreparedSource:
    context: BuildContext
    notices: tuple[str, ...]


def prepare_source(
    archive: Path,
    into: Path,
    limits: ArchiveLimits,
    progress: Progress,
    *,
    dockerfile_path: str,
    context_path: str | None,
) -> PreparedSource:
    """Unpack what a build needs into the existing folder `into`, and find its way there. Blocks; `progress` may raise.

    Raises SourceBroken, SourceRefused, DockerfileInvalid, IgnoreFileInvalid.
    """
    unpacked = extract_archive(archive, into, limits, progress, wanted_for(dockerfile_path, context_path))
    context = locate_context(into, dockerfile_path, context_path)
    notices = source_notices(into.resolve(), context, ignore_rules(context), unpacked.lfs_pointers)
    return PreparedSource(context, notices)
