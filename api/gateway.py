"""The API's way to Temporal: deliver right after the commit that asks for it; the relay takes what is left."""

import asyncio
import logging
from datetime import timedelta
from typing import Protocol

from activities.ports.runs import Runs
from activities.relay.delivery import Delivery
from api.border.metrics import ApiMetrics
from models.rules.errors.domain import DomainError
from models.rules.run_contract import WorkKey

log = logging.getLogger(__name__)

_LONGEST_SECONDS = 1.0
_MOST_AT_ONCE = 32


class Orchestrator(Runs, Protocol):
    async def ping(self) -> None:
        """Raise OrchestratorUnreachable when it does not answer within a second."""
        ...


class Gateway:
    """Deliveries run beside the requests that cause them: no answer waits for Temporal."""

    def __init__(self, runs: Orchestrator, delivery: Delivery, metrics: ApiMetrics) -> None:
        self._runs = runs
        self._delivery = delivery
        self._metrics = metrics
        self._deliveries: set[asyncio.Task[None]] = set()

    def deliver_soon(self, key: WorkKey) -> None:
        """Call after the commit. Never waits, never raises: what is not delivered here stays dirty."""
        if len(self._deliveries) >= _MOST_AT_ONCE:
            self._metrics.deliveries.labels("left_to_relay").inc()
            return
        delivery = asyncio.create_task(self._deliver(key), name=f"deliver {key.kind} {key.id}")
        self._deliveries.add(delivery)
        delivery.add_done_callback(self._deliveries.discard)

    async def ping(self) -> None:
        await self._runs.ping()

    async def drain(self, longest: timedelta) -> None:
        """Wait for what is under way; what then still runs is left to the relay."""
        if not self._deliveries:
            return
        _, late = await asyncio.wait(self._deliveries, timeout=longest.total_seconds())
        for delivery in late:
            delivery.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    async def _deliver(self, key: WorkKey) -> None:
        outcome = "failed"
        try:
            async with asyncio.timeout(_LONGEST_SECONDS):
                await self._delivery.deliver(key)
            outcome = "delivered"
        except (DomainError, TimeoutError) as error:
            log.warning("delivery_left_to_relay", extra={key.kind: key.id, "error": type(error).__name__})
        except Exception:
            log.exception("delivery_failed", extra={key.kind: key.id})
        finally:
            self._metrics.deliveries.labels(outcome).inc()
