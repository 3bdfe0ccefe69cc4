"""What can be counted without knowing anybody: `GET /metrics`, for Prometheus.

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from bot import logs
from bot.core.audit import AuditStore


class Metrics:
    """Lookups by outcome, and their time in seconds.

    Outcomes are `found`, `none`, `refused`, `crashed`, `cancelled`, or the name of an error.

    Include how many log lines were lost and, with a `store`, how many events are waiting and how
    many could not be written. `is_unavailable` tells whether shared state can't be reached.
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
        Gauge(
            "fsessions_log_lines_lost",
            "Log lines that could not be written since the start",
            registry=self._registry,
        ).set_function(logs.lines_lost)
        if is_unavailable:
            Gauge(
                "fsessions_shared_state_away",
                "1 while this process goes on alone: the database doesn't answer",
                registry=self._registry,
            ).set_function(is_unavailable)
        if store:
            Gauge(
                "fsessions_audit_events_waiting",
                "Audit events that are not yet in the database",
                registry=self._registry,
            ).set_function(lambda: store.waiting)
            Gauge(
                "fsessions_audit_events_given_up",
                "Audit events since the start that are in the log alone",
                registry=self._registry,
            ).set_function(lambda: store.dropped)

    def observe(self, outcome: str, seconds: float) -> None:
        """Counts one lookup."""
        self._lookups.labels(outcome).inc()
        self._seconds.observe(seconds)

    def app(self) -> web.Application:
        """Serves `GET /metrics`."""

        async def metrics(_: web.Request) -> web.Response:
            body = generate_latest(self._registry)
            return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})

        app = web.Application()
        app.router.add_get("/metrics", metrics)
        return app
