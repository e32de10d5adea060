"""The role "relay": deliver what the API could not, repair, and keep house."""

from activities.adapters.temporal import TemporalRuns
from activities.relay.delivery import Delivery
from activities.relay.kinds import deliverable_kinds
from activities.relay.relay import Relay
from activities.relay.repairs.chores import repairs
from roles.composition import WorkerWorld


def relay(parts: WorkerWorld) -> Relay:
    settings = parts.settings
    runs = TemporalRuns(parts.client)
    delivery = Delivery(parts.pools.relay, runs, deliverable_kinds(stays_open=settings.stays_open))
    mended = repairs(parts.pools.relay, runs)
    return Relay(parts.pools.relay, parts.hints, delivery, mended, log_retention=settings.log_retention)
