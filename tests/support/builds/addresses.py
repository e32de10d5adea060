"""Addresses of image builds' runs, and what a test wants to know of one."""

from datetime import timedelta
from uuid import UUID

from activities.ports.runs import RunAddress, Runs
from activities.relay.delivery import Delivery
from activities.relay.kinds import deliverable_kinds, image_build_address
from models.postgres.database import Database
from models.repositories.build.delivery import DeliverableBuild
from models.rules.build_payloads import ImageBuildOrder

STAYS_OPEN = timedelta(days=14)


def order_in(run: RunAddress) -> ImageBuildOrder:
    assert isinstance(run.order, ImageBuildOrder)
    return run.order


def build_of(run: RunAddress) -> UUID:
    return order_in(run).build_id


def address(build_id: UUID, name: str, generation: int = 1) -> RunAddress:
    build = DeliverableBuild(
        build_id=build_id,
        kind="image",
        image_name=name,
        image_tag="v1",
        generation=generation,
        third_party_id=None,
        project_id=None,
        repo=name,
        priority=3,
        correlation_id="c0ffee",
        is_cancel_wanted=False,
    )
    return image_build_address(build, STAYS_OPEN)


def delivery_by(database: Database, runs: Runs) -> Delivery:
    return Delivery(database, runs, deliverable_kinds(stays_open=STAYS_OPEN))
