"""What all who have to do with a run agree on: queues, workflow types and ids, activities' hosts, attributes, labels.

Everything here is seen from outside, by operators and by other releases: names are added, never changed.
"""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What may be wanted, and is carried out by a workflow of its own; also the kinds of keys in the outbox."""

    BUILD = "build"


@dataclass(frozen=True, order=True)
class WorkKey:
    """What is wanted, by kind and id; the row behind it says what is to be done."""

    kind: Kind
    id: str


def build_key(build_id: object) -> WorkKey:
    return WorkKey(Kind.BUILD, str(build_id))


class WorkflowType(StrEnum):
    IMAGE_BUILD = "image-build"


class Queue(StrEnum):
    """Temporal's task queues (docs/decisions/0004); each builder host has one more, see `host_queue`."""

    BUILDS = "builds"  # workflows and their records: cheap, and only the database
    SOURCE = "source"  # downloads, which may wait for their turn
    DOCKER = "docker"  # heavy builds, one task a slot
    ENGINE = "engine"  # an engine's light calls, on any builder host


def host_queue(builder: str) -> str:
    """Return the task queue for calls to one builder's engine that need no slot."""
    return f"engine@{builder}"


def image_workflow_id(image_name: str, tag: str, generation: int) -> str:
    return f"{WorkflowType.IMAGE_BUILD}/{image_name}:{tag}/{generation}"


class SearchAttribute(StrEnum):
    """What operators search by; temporal-config/search-attributes says each one's type."""

    BUILD_ID = "BuildId"
    BUILD_STATUS = "BuildStatus"
    BUILD_STATE = "BuildState"
    BUILD_KIND = "BuildKind"
    IMAGE_NAME = "ImageName"
    THIRD_PARTY_ID = "ThirdPartyId"


class Label(StrEnum):
    """What everything bears that we make at an engine."""

    INSTANCE = "slipway.instance"
    BUILD = "slipway.build"
    REPO = "slipway.repo"
    COMMIT = "slipway.commit"
