"""Metrics for Prometheus at `GET /metrics`. They say nothing about people.

https://prometheus.io/docs/practices/naming/
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from typing import Final

from aiohttp import web
from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from bot.counters import FROM_START, NAMES, counts

_SAMPLE_SECONDS: Final = 1.0
_SAMPLES: Final = 60

Values = dict[str, tuple[str, Callable[[], float]]]
"""The names of metrics, each with its help and a function that returns the present value."""


class Metrics:
    """What `bot.counters` counts, the seconds of lookups, and values of other parts.

    `totals` never decrease while the process lives; `gauges` are present values.
    """

    def __init__(self, totals: Values, gauges: Values) -> None:
        self._registry = CollectorRegistry()
        self._seconds = Histogram(
            "fsessions_lookup_seconds",
            "Time of a lookup, retries included",
            registry=self._registry,
        )
        self._registry.register(_Process(totals, gauges))

    def observe(self, seconds: float) -> None:
        """Record how long a lookup took."""
        self._seconds.observe(seconds)

    def app(self) -> web.Application:
        """Return an app that serves `GET /metrics`."""

        async def metrics(_: web.Request) -> web.Response:
            body = generate_latest(self._registry)
            return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})

        app = web.Application()
        app.router.add_get("/metrics", metrics)
        return app


class _Process(Collector):
    def __init__(self, totals: Values, gauges: Values) -> None:
        self._totals = totals
        self._gauges = gauges

    def collect(self) -> Iterator[Metric]:
        """Yield the present values."""
        for name, (about, labels) in NAMES.items():
            family = CounterMetricFamily(f"fsessions_{name}", about, labels=labels)
            for counted, *values in counts.keys() | set(FROM_START):
                if counted == name:
                    family.add_metric(values, counts[counted, *values])
            yield family
        for name, (about, value) in self._totals.items():
            yield CounterMetricFamily(f"fsessions_{name}", about, value())
        for name, (about, value) in self._gauges.items():
            yield GaugeMetricFamily(f"fsessions_{name}", about, value())


class EventLoopLag:
    """Measures how late the event loop runs what is due: `longest` in the last minute."""

    def __init__(self) -> None:
        self._samples: deque[float] = deque(maxlen=_SAMPLES)

    @property
    def longest(self) -> float:
        """Seconds."""
        return max(self._samples, default=0.0)

    async def run(self) -> None:
        """Measure until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + _SAMPLE_SECONDS
            await asyncio.sleep(_SAMPLE_SECONDS)
            self._samples.append(max(0.0, loop.time() - due))
