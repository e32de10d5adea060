"""What a tag names, and whether the name that its image is to have is free: before anything is fetched."""

from temporalio import activity

from activities.beats import beating
from activities.builder.public_names import refuse_foreign
from activities.ports.engine import ContainerEngine
from activities.ports.source_host import ResolvedTag, SourceHost
from models.postgres.database import Database
from models.repositories.build.reading import BuildReading
from models.rules.build_payloads import Checkpoint, StageOutcome
from models.rules.errors.source import CommitMismatch


class TagActivities:
    """Runs on an engine's host: what the tag names, and whether the image's name is free there."""

    def __init__(self, database: Database, host: SourceHost, engine: ContainerEngine, instance: str) -> None:
        self._database = database
        self._host = host
        self._engine = engine
        self._instance = instance

    @activity.defn
    async def resolve_tag(self, build: Checkpoint) -> StageOutcome:
        """Name the commit behind the tag and check it against the one asked for. A pure read: a repeat is harmless."""
        async with beating():
            await refuse_foreign(self._engine, self._instance, build.image)
            async with self._database.transaction() as session:
                wanted = (await BuildReading(session).inputs(build.build_id)).wanted_commit
            tag = await self._host.resolve_tag(build.repo, build.tag)
        return StageOutcome(
            message=f"{build.tag} is {tag.commit}",
            variables={"commit_sha": tag.commit},
            notices=_checked(build, tag, wanted),
        )


def _checked(build: Checkpoint, tag: ResolvedTag, wanted: str) -> tuple[str, ...]:
    """Return what is to be said of the commit that was asked for. Raises CommitMismatch when it is another one."""
    if tag.commit.startswith(wanted):
        return ()
    if any(annotation.startswith(wanted) for annotation in tag.objects):
        own = f"{wanted} is the id of the annotated tag {build.tag} itself, not of a commit"
        return (f"{own}; what is built is the commit that this tag names, {tag.commit}.",)
    raise CommitMismatch(
        f"Tag {build.tag} of {build.repo} names commit {tag.commit}, but commit {wanted} was asked for."
        " Send the commit that the tag names, or move the tag."
    )
