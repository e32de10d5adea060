"""The role "builder": what a host with a Docker engine does."""

from contextlib import AsyncExitStack

from temporalio.worker import Worker

from activities.adapters.docker.engine import DockerEngine
from activities.builder.host import BuilderHost
from activities.builder.identity import BuilderIdentity, light_queue
from activities.image.building import ImageActivities
from activities.source.fetching import TagActivities
from roles.composition import WorkerWorld, archive_limits
from roles.polling import Activities, polls
from workflows.stage import DOCKER_QUEUE, ENGINE_QUEUE


async def builder_workers(parts: WorkerWorld, stack: AsyncExitStack) -> list[Worker]:
    settings = parts.settings
    token = [settings.github_token.get_secret_value()] if settings.github_token is not None else []
    engine = DockerEngine(settings.engine_url, redacted_values=token)
    await stack.enter_async_context(parts.database.sole_holder(f"builder {settings.builder_name}"))
    identity = BuilderIdentity(settings.builder_name, settings.builder_slots, parts.instance, settings.build_timeout)
    builder = await stack.enter_async_context(
        BuilderHost(
            identity,
            database=parts.database,
            hints=parts.hints,
            engine=engine,
            store=parts.store,
            area=parts.area,
            archive_limits=archive_limits(settings),
        )
    )
    images = ImageActivities(parts.database, parts.hints, engine, builder)
    tags = TagActivities(parts.database, parts.source_host, engine, parts.instance)
    light: Activities = [tags.resolve_tag, images.inspect_image, images.push_image, images.register_image]
    return [
        polls(parts, DOCKER_QUEUE, [images.build_image], at_once=settings.builder_slots),
        polls(parts, ENGINE_QUEUE, light),
        polls(parts, light_queue(settings.builder_name), light),
    ]
