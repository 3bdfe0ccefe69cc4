"""Draws `deploy/grafana-dashboard.json` as a picture, from what a Prometheus has seen."""

from __future__ import annotations

import json
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any, Final

import aiohttp

DASHBOARD: Final = Path(__file__).parents[1] / "deploy" / "grafana-dashboard.json"
STEP: Final = 10  # seconds
COLUMN, ROW, GAP = 44, 26, 8  # pixels of Grafana's grid
COLORS: Final = (
    "#3274d9",
    "#e0752d",
    "#299c46",
    "#d44a3a",
    "#8f3bb8",
    "#c4a000",
    "#56a6a6",
    "#777",
)

Series = list[tuple[str, list[tuple[float, float]]]]
"""Names, each with its times and values."""


async def draw(prometheus: str, start: float, end: float) -> str:
    """Return the picture as SVG."""
    dashboard = json.loads(DASHBOARD.read_text())
    parts, height = [], 0
    async with aiohttp.ClientSession() as http:
        for panel in dashboard["panels"]:
            series = [
                one
                for target in panel["targets"]
                for one in await _asked(http, prometheus, target, start, end)
            ]
            place = panel["gridPos"]
            box = (
                place["x"] * COLUMN + GAP,
                place["y"] * ROW + GAP,
                place["w"] * COLUMN - GAP,
                place["h"] * ROW - GAP,
            )
            height = max(height, (place["y"] + place["h"]) * ROW + GAP)
            lines = _stat(box, series) if panel["type"] == "stat" else _chart(box, panel, series)
            parts += [*_frame(box, panel["title"]), *lines]
    width = 24 * COLUMN + GAP
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" font-family="sans-serif" font-size="11">'
        f'<rect width="{width}" height="{height}" fill="#f4f5f7"/>'
    )
    return "\n".join([head, *parts, "</svg>", ""])


async def _asked(
    http: aiohttp.ClientSession, prometheus: str, target: dict[str, Any], start: float, end: float
) -> Series:
    query = target["expr"].replace("$__rate_interval", "30s")
    parameters = {"query": query, "start": start, "end": end, "step": STEP}
    async with http.get(f"{prometheus}/api/v1/query_range", params=parameters) as response:
        found = (await response.json())["data"]["result"]
    series = []
    for one in found:
        name = target["legendFormat"]
        for label, value in one["metric"].items():
            name = name.replace("{{" + label + "}}", value)
        values = [(float(time), float(value)) for time, value in one["values"] if value != "NaN"]
        series.append((name, values))
    return series


def _frame(box: tuple[int, int, int, int], title: str) -> Iterator[str]:
    x, y, w, h = box
    yield f'<rect x="{x}" y="{y}" width="{w}" height="{h}" fill="#fff" stroke="#ddd"/>'
    yield f'<text x="{x + 8}" y="{y + 15}" font-weight="bold">{escape(title)}</text>'


def _stat(box: tuple[int, int, int, int], series: Series) -> Iterator[str]:
    x, y, w, h = box
    each = w // max(1, len(series))
    for number, (name, values) in enumerate(series):
        worst = min((value for _, value in values), default=0)
        color = COLORS[2] if values and values[-1][1] else COLORS[3]
        said = "yes" if values and values[-1][1] else "no"
        before = "" if worst else " (was no)"
        left = x + number * each + 8
        yield (
            f'<rect x="{left}" y="{y + 24}" width="{each - 16}" height="{h - 32}" fill="{color}"/>'
            f'<text x="{left + 8}" y="{y + 48}" fill="#fff" font-size="14">'
            f"{escape(name)}: {said}{before}</text>"
        )


def _chart(box: tuple[int, int, int, int], panel: dict[str, Any], series: Series) -> Iterator[str]:
    x, y, w, h = box
    left, top, right, bottom = x + 40, y + 26, x + w - 8, y + h - 40
    times = [time for _, values in series for time, _ in values]
    values = [value for _, one in series for _, value in one]
    start, end = min(times, default=0.0), max(times, default=1.0)
    highest = max(values, default=0.0) or 1.0
    for part in (0, 0.5, 1):
        line = bottom - part * (bottom - top)
        yield f'<line x1="{left}" x2="{right}" y1="{line:.0f}" y2="{line:.0f}" stroke="#eee"/>'
        unit = "s" if panel["fieldConfig"]["defaults"]["unit"] == "s" else ""
        yield (
            f'<text x="{left - 4}" y="{line + 4:.0f}" text-anchor="end" fill="#777">'
            f"{highest * part:.3g}{unit}</text>"
        )
    across = (right - left) / ((end - start) or 1)
    place = left
    for number, (name, one) in enumerate(series):
        color = COLORS[number % len(COLORS)]
        points = " ".join(
            f"{left + (time - start) * across:.0f},{bottom - value / highest * (bottom - top):.0f}"
            for time, value in one
        )
        yield f'<polyline points="{points}" fill="none" stroke="{color}" stroke-width="1.5"/>'
        shown = name if len(name) <= 24 else f"{name[:23]}…"
        row = 0 if number < 4 else 14
        place = left if number == 4 else place
        if number < 8:
            yield f'<text x="{place}" y="{y + h - 20 + row}" fill="{color}">{escape(shown)}</text>'
        place += 7 * len(shown) + 10
