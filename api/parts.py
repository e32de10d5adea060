"""What the API is made of: given by a composition root, handed to handlers by `UsableApi` and its fellows."""

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated

from fastapi import Depends, Request

from activities.ports.object_store import ObjectStore
from activities.ports.source_host import SourceHost
from activities.relay.delivery import Delivery
from activities.relay.kinds import deliverable_kinds
from activities.work_area import WorkArea
from api.border.metrics import ApiMetrics
from api.border.visitors.caller import Caller, caller
from api.gateway import Gateway, Orchestrator
from api.health.migration import Migration
from api.health.readiness import Readiness
from api.images.github_tags import GithubTags
from api.images.reading import Waiting
from api.logs.stored import StoredLogs
from api.logs.streams import LogTails
from models.postgres.database import Database
from models.postgres.hints import Hints
from models.rules.redaction import Redaction


@dataclass(frozen=True)
class ApiWorld:
    """What a composition root makes and closes. Each pool has one purpose, so that none starves another."""

    requests: Database
    streams: Database  # logs and health
    deliveries: Database
    hints: Hints  # not entered yet: the app does that
    runs: Orchestrator
    source_host: SourceHost
    store: ObjectStore
    area: WorkArea  # for what is fetched from the store, while it is read
    queue_limit: int = 100
    allowed_hosts: tuple[str, ...] = ()
    cors_origins: tuple[str, ...] = ()
    has_github_token: bool = False
    redaction: Redaction = field(default_factory=Redaction)  # what every refusal goes through
    stays_open: timedelta = timedelta(days=14)  # how long a failed build waits to be resumed


class Api:
    """The given parts, and what the app makes of them."""

    def __init__(self, given: ApiWorld) -> None:
        self.given = given
        self.metrics = ApiMetrics()
        self.stopping = asyncio.Event()
        delivery = Delivery(given.deliveries, given.runs, deliverable_kinds(stays_open=given.stays_open))
        self.gateway = Gateway(given.runs, delivery, self.metrics)
        self.migration = Migration(given.requests)
        self.readiness = Readiness(given.streams, self.gateway, self.migration, self.stopping, given.redaction)
        self.logs = StoredLogs(given.streams, given.store, given.area)
        self.waiting = Waiting(given.requests, given.hints, self.stopping)
        self.github_tags = GithubTags(given.source_host, given.requests, has_token=given.has_github_token)
        self.tails = LogTails(given.streams, given.hints, self.logs, self.metrics.log_readers)

    def usable_database(self) -> Database:
        """Return where requests are answered from. Raises DatabaseUnreachable, SchemaUnknown."""
        self.migration.check()
        return self.given.requests

    def stop(self) -> None:
        """Begin to end: not ready any more, no wait goes on, and every stream says when to come back."""
        self.stopping.set()
        self.tails.stop()


def _api(request: Request) -> Api:
    api: Api = request.app.state.api
    return api


def _usable(api: Annotated[Api, Depends(_api)]) -> Api:
    """Give the parts to a handler that needs the database. Raises DatabaseUnreachable, SchemaUnknown."""
    api.migration.check()
    return api


AnyApi = Annotated[Api, Depends(_api)]
UsableApi = Annotated[Api, Depends(_usable)]
Asker = Annotated[Caller, Depends(caller)]
