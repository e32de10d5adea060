"""Figures for Prometheus, under the contract's names."""

import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.border.routing import endpoint_of

# up to the longest `wait`
_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)


class ApiMetrics:
    """One app's figures, in a registry of their own: several apps in a process do not mix."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "api_requests", "Requests answered, by path template", ["endpoint"], registry=self.registry
        )
        self.durations = Histogram(
            "api_request_duration_seconds",
            "Time to an answer's first byte, by path template",
            ["endpoint"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.log_readers = Gauge("api_log_readers", "Open log streams", registry=self.registry)
        self.deliveries = Counter(
            "api_deliveries", "Builds told to Temporal after a request", ["outcome"], registry=self.registry
        )
        ProcessCollector(registry=self.registry)


class Measured:
    """Counts every request and its time."""

    def __init__(self, app: ASGIApp, metrics: ApiMetrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, took = time.perf_counter(), None

        async def send_and_look(message: Message) -> None:
            nonlocal took
            if took is None:
                took = time.perf_counter() - began
            await send(message)

        try:
            await self._app(scope, receive, send_and_look)
        finally:
            endpoint = endpoint_of(scope)
            self._metrics.requests.labels(endpoint).inc()
            self._metrics.durations.labels(endpoint).observe(time.perf_counter() - began if took is None else took)
