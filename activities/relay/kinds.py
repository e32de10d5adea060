"""The kinds of work that are delivered, and how each one's row is read."""

from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID

from activities.ports.runs import RunAddress
from activities.relay.delivery import ReadWanted, Wanted
from models.postgres.database import Session
from models.repositories.build.delivery import BuildDelivery, DeliverableBuild
from models.rules.build_lifecycle import BuildStatus, StateCode
from models.rules.build_payloads import ImageBuildOrder
from models.rules.fairness import fairness_key
from models.rules.run_contract import Kind, Queue, SearchAttribute, WorkflowType, image_workflow_id


def deliverable_kinds(*, stays_open: timedelta) -> Mapping[Kind, ReadWanted]:
    """Return every kind's reader; `stays_open` is how long a failed build waits to be resumed."""

    async def read_build(session: Session, build_id: str) -> Wanted | None:
        build = await BuildDelivery(session).read(UUID(build_id))
        return None if build is None else Wanted(image_build_address(build, stays_open), build.is_cancel_wanted)

    return {Kind.BUILD: read_build}


def image_build_address(build: DeliverableBuild, stays_open: timedelta) -> RunAddress:
    image = f"{build.image_name}:{build.image_tag}"
    attributes: dict[SearchAttribute, str | int] = {
        SearchAttribute.BUILD_ID: str(build.build_id),
        SearchAttribute.BUILD_STATUS: BuildStatus.PENDING,
        SearchAttribute.BUILD_STATE: StateCode.QUEUED,
        SearchAttribute.BUILD_KIND: build.kind,
        SearchAttribute.IMAGE_NAME: image,
    }
    if build.third_party_id is not None:
        attributes[SearchAttribute.THIRD_PARTY_ID] = build.third_party_id
    return RunAddress(
        workflow_type=WorkflowType.IMAGE_BUILD,
        workflow_id=image_workflow_id(build.image_name, build.image_tag, build.generation),
        queue=Queue.BUILDS,
        order=ImageBuildOrder(build_id=build.build_id, generation=build.generation, stays_open=stays_open),
        attributes=attributes,
        summary=image,
        priority=build.priority,
        fairness_key=fairness_key(build.third_party_id, build.project_id, build.repo),
        correlation_id=build.correlation_id,
    )
