"""The role "builder": what a host with a Docker engine does."""

import asyncio
from contextlib import AsyncExitStack

from temporalio.worker import Worker

from activities.adapters.docker.buildx.mounts import Mounts
from activities.adapters.docker.buildx.plugin import chosen_buildx
from activities.adapters.docker.engine import DockerEngine
from activities.adapters.temporal import TemporalRuns
from activities.builder.host import BuilderHost
from activities.builder.identity import BuilderIdentity
from activities.image.building import ImageActivities
from activities.image.tag import TagActivities
from models.rules.run_contract import Queue, host_queue
from roles.composition import WorkerWorld, archive_limits
from roles.host_slots import HostSlots
from roles.polling import LIGHT_ACTIVITIES, Activities, polls


async def builder_workers(parts: WorkerWorld, stack: AsyncExitStack) -> list[Worker]:
    settings = parts.settings
    buildx = await asyncio.to_thread(chosen_buildx, settings.buildx, settings.data_dir)
    engine = DockerEngine(
        settings.engine_url,
        settings.secrets(),
        buildx=buildx,
        client_environment=settings.proxies(),
        mounts=Mounts(settings.build_secrets, settings.build_ssh_agent),
        silence_limit=settings.base_image_timeout,
    )
    await stack.enter_async_context(parts.pools.builder.sole_holder(f"builder {settings.builder_name}"))
    identity = BuilderIdentity(settings.builder_name, settings.builder_slots, parts.instance, settings.build_timeout)
    builder = await stack.enter_async_context(
        BuilderHost(
            identity,
            database=parts.pools.builder,
            hints=parts.hints,
            engine=engine,
            store=parts.store,
            area=parts.area,
            archive_limits=archive_limits(settings),
            redaction=parts.redaction,
        )
    )
    images = ImageActivities(parts.pools.stages, parts.hints, engine, builder, TemporalRuns(parts.client))
    tags = TagActivities(parts.pools.stages, parts.source_host, engine, parts.instance)
    light: Activities = [tags.resolve_tag, images.inspect_image, images.push_image, images.register_image]
    return [
        polls(parts, Queue.DOCKER, [images.build_image], at_once=HostSlots(builder, settings.builder_slots)),
        polls(parts, Queue.ENGINE, light, at_once=HostSlots(builder, LIGHT_ACTIVITIES)),
        polls(parts, host_queue(settings.builder_name), light),
    ]
