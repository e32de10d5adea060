"""A worker's connections to Postgres: a pool for each purpose, so that what must not starve waits for nothing else."""

from contextlib import AsyncExitStack
from dataclasses import dataclass

from models.postgres.database import Database
from models.postgres.hints import Hints

# a record is tried in the workflow's own worker first, then as an activity (docs/decisions/0005): together they are
# as many as have a connection, so that none ever waits for one
RECORDS_AT_ONCE = 9
RECORDS_TRIED_AGAIN_AT_ONCE = 3


@dataclass(frozen=True)
class Pools:
    """Builds that wait use none of them (docs/decisions/0011)."""

    builder: Database  # a builder host's beats and leases, its logs, and how its attempts end
    records: Database  # claims, reports and wishes
    stages: Database  # what stages read and tell, and the look-ahead
    relay: Database

    def all(self) -> tuple[Database, ...]:
        return (self.builder, self.records, self.stages, self.relay)


async def open_pools(database_url: str, hints: Hints, stack: AsyncExitStack) -> Pools:
    """Make the pools, whose connections are opened when they are needed first; the stack closes them."""
    pools = Pools(
        builder=Database(database_url, pool_size=6, hints=hints),
        records=Database(database_url, pool_size=RECORDS_AT_ONCE + RECORDS_TRIED_AGAIN_AT_ONCE, hints=hints),
        stages=Database(database_url, pool_size=8, hints=hints),
        relay=Database(database_url, pool_size=4, hints=hints),
    )
    for pool in pools.all():
        stack.push_async_callback(pool.close)
    return pools
