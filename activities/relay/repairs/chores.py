"""Every repair, and how often it looks: a fault is mended within a minute of two sightings."""

from datetime import timedelta

from activities.ports.runs import RunStates
from activities.relay.chore import Chore
from activities.relay.repairs.abandoned_executions import AbandonedExecutions
from activities.relay.repairs.open_builds import OpenBuilds
from models.postgres.database import Database

_EVERY = timedelta(seconds=8)


def repairs(database: Database, runs: RunStates) -> list[Chore]:
    return [
        Chore("open_builds", _EVERY, OpenBuilds(database, runs).look),
        Chore("abandoned_executions", _EVERY, AbandonedExecutions(database).look),
    ]
