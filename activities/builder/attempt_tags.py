"""The names under which attempts keep their images until one of them is registered."""

import logging
from uuid import UUID

from activities.ports.engine import ContainerEngine
from models.postgres.database import Database
from models.repositories.execution import ExecutionRepository
from models.rules.errors.domain import DomainError
from models.rules.image_reference import RESERVED_PREFIX
from models.rules.run_contract import Label

log = logging.getLogger(__name__)


async def forget_attempt_tags(engine: ContainerEngine, build_id: UUID) -> None:
    """Take away the names of one build's attempts: its image has a public one."""
    attempts = f"{RESERVED_PREFIX}{build_id}:"
    for named in await engine.named(Label.BUILD, str(build_id)):
        if named.reference.startswith(attempts):
            await engine.untag(named.reference)


async def sweep_attempt_tags(engine: ContainerEngine, database: Database, instance: str) -> None:
    """Take away the names of attempts whose builds can no longer go on."""
    try:
        tags = [named.reference for named in await engine.named(Label.INSTANCE, instance)]
        attempts = {tag: _build_of(tag) for tag in tags if tag.startswith(RESERVED_PREFIX)}
        builds = [build for build in attempts.values() if build is not None]
        async with database.transaction() as session:
            unfinished = await ExecutionRepository(session).unfinished_builds(builds)
        for tag, build in attempts.items():
            if build not in unfinished:
                await engine.untag(tag)
    except DomainError as error:
        log.warning("attempt_tags_not_swept", extra={"error": error.detail})


def _build_of(tag: str) -> UUID | None:
    name = tag.removeprefix(RESERVED_PREFIX).partition(":")[0]
    try:
        return UUID(name)
    except ValueError:
        return None
