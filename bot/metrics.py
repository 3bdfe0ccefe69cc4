"""Metrics for Prometheus at `GET /metrics`. They say nothing about people.

https://prometheus.io/docs/practices/naming/
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from bot import logs
from bot.core.audit import AuditStore


class Metrics:
    """Lookups by outcome and their seconds, insights, and the state of the process.

    Outcomes are `found`, `none`, `crashed`, `cancelled`, or the name of an error. The audit's queue
    and the database are included if there is one.
    """

    def __init__(
        self, store: AuditStore | None = None, is_unavailable: Callable[[], bool] | None = None
    ) -> None:
        self._registry = CollectorRegistry()
        self._lookups = Counter(
            "fsessions_lookups", "Lookups by outcome", ["outcome"], registry=self._registry
        )
        self._seconds = Histogram(
            "fsessions_lookup_seconds",
            "Time of a lookup, retries included",
            registry=self._registry,
        )
        self._insights = Counter(
            "fsessions_insights",
            "Presses on What happened? by outcome: each that is paid costs an Activation",
            ["outcome"],
            registry=self._registry,
        )
        self._registry.register(_Process(store, is_unavailable))

    def observe(self, outcome: str, seconds: float) -> None:
        """Count one lookup."""
        self._lookups.labels(outcome).inc()
        self._seconds.observe(seconds)

    def observe_insight(self, outcome: str) -> None:
        """Count one press on *What happened?*."""
        self._insights.labels(outcome).inc()

    def app(self) -> web.Application:
        """Return an app that serves `GET /metrics`."""

        async def metrics(_: web.Request) -> web.Response:
            body = generate_latest(self._registry)
            return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})

        app = web.Application()
        app.router.add_get("/metrics", metrics)
        return app


class _Process(Collector):
    """What other parts of the process count."""

    def __init__(self, store: AuditStore | None, is_unavailable: Callable[[], bool] | None) -> None:
        self._store = store
        self._is_unavailable = is_unavailable

    def collect(self) -> Iterator[Metric]:
        """Yield the present values."""
        yield CounterMetricFamily(
            "fsessions_log_lines_lost", "Log lines that could not be written", logs.lines_lost()
        )
        if self._is_unavailable:
            yield GaugeMetricFamily(
                "fsessions_database_up",
                "1 while the database answers; otherwise this process uses its own memory",
                int(not self._is_unavailable()),
            )
        if self._store:
            yield GaugeMetricFamily(
                "fsessions_audit_events_waiting",
                "Audit events that are not in the database yet",
                self._store.waiting,
            )
            yield CounterMetricFamily(
                "fsessions_audit_events_dropped",
                "Audit events that are only in the log",
                self._store.dropped,
            )
