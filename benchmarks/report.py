"""What was measured, beside what we want: as Markdown, and as a picture."""

from __future__ import annotations

import math
import os
import platform
from datetime import UTC, datetime
from statistics import median
from typing import Final

Figures = dict[str, float]
Measured = dict[str, dict[str, list[Figures]]]
"""The figures of each round, by scenario and peer."""

BOT: Final = "bot"
FLOOR: Final = "floor"
PROCESSES: Final = "processes on all cores"
_LABELS: Final = {FLOOR: "the floor", BOT: "this bot", "bot-off": "this bot, extras off"}


def ratio(
    measured: Measured, scenario: str, figure: str, peer: str = BOT, to: str = FLOOR
) -> float:
    """Return the median of the ratios of two peers in each round; NaN if one is missing."""
    return _ratio(_rounds(measured, scenario, peer), _rounds(measured, scenario, to), figure)


def _rounds(measured: Measured, scenario: str, peer: str) -> list[Figures]:
    return measured.get(scenario, {}).get(peer, [])


def _ratio(ours: list[Figures], theirs: list[Figures], figure: str) -> float:
    rounds = zip(ours, theirs, strict=False)
    ratios = [one[figure] / other[figure] for one, other in rounds if other[figure]]
    return median(ratios) if ratios else float("nan")


def middle(measured: Measured, scenario: str, figure: str, peer: str = BOT) -> float:
    """Return the median of all rounds."""
    values = [one[figure] for one in _rounds(measured, scenario, peer)]
    return median(values) if values else float("nan")


def targets(measured: Measured) -> list[tuple[str, str, float, bool]]:
    """Return what we want: its name, how much, how much it is, and whether that is enough."""
    cpu = ratio(measured, "saturation", "CPU ms a lookup")
    throughput = ratio(measured, "saturation", "lookups a second")
    to_js = ratio(measured, "saturation", "lookups a second", to="Bolt JS")
    p50 = middle(measured, "50 a second", "p50 ms")
    beyond = p50 - middle(measured, "50 a second", "p50 ms", FLOOR)
    p99 = middle(measured, "50 a second", "p99 ms")
    lost = middle(measured, "burst", "lost")
    late = middle(measured, "burst", "acks after 3 s")
    hung = middle(measured, "hanging", "longest, s")
    first = middle(measured, "start", "first answer, s")
    floor = middle(measured, "start", "first answer, s", FLOOR)
    waking = first - 1.5 * floor
    of_one, of_two = (_rounds(measured, f"{PROCESSES}: {count}", BOT) for count in (1, 2))
    two = _ratio(of_two, of_one, "lookups a second")
    idle, grown = middle(measured, "start", "idle MiB"), middle(measured, "soak", "MiB more")
    return [
        ("CPU of a lookup, to F", "≤ 1.25", cpu, cpu <= 1.25),
        ("throughput, to F", "≥ 0.9", throughput, throughput >= 0.9),
        ("throughput, to Bolt JS", "≥ 1.6", to_js, to_js >= 1.6),
        ("50 a second: p50 beyond F's, ms", "≤ 0.5", beyond, beyond <= 0.5),
        ("50 a second: p99, ms", "≤ 6", p99, p99 <= 6),
        ("burst of 1,000: lost", "0", lost, lost == 0),
        ("burst of 1,000: acks after 3 s", "0", late, late == 0),
        ("Fullstory hangs 1 s, 400 at once: longest, s", "≤ 1.8", hung, hung <= 1.8),
        ("first answer beyond 1.5 F's, s", "≤ 0.15", waking, waking <= 0.15),
        ("idle memory, MiB", "≤ 55", idle, idle <= 55),
        ("growth over the soak, MiB", "≤ 5", grown, grown <= 5),
        ("two processes, to one", "≥ 1.8", two, two >= 1.8),
    ]


def report(measured: Measured, rounds: int, versions: dict[str, str]) -> str:
    """Return the results as Markdown."""
    named = ", ".join(f"{name} {number}" for name, number in versions.items())
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    lines = [
        "# What was measured",
        "",
        f"By `make bench` on {datetime.now(UTC):%Y-%m-%d}: {machine},",
        f"Python {platform.python_version()}, {named}.",
        f"{rounds} interleaved rounds; medians, and the range in brackets.",
        "The peer has one core, the outside another; several processes share all cores with the",
        "outside and PostgreSQL. Each peer is measured when it is warm, but for its start. F is",
        "[the floor](peers/floor.py).",
        "",
        "| target | wanted | measured | |",
        "|---|---|---|---|",
    ]
    for name, wanted, value, reached in targets(measured):
        mark = "reached" if reached else "not measured" if math.isnan(value) else "**not reached**"
        lines.append(f"| {name} | {wanted} | {value:.2f} | {mark} |")
    for scenario, by_peer in measured.items():
        figures = list(next(iter(by_peer.values()))[0])
        lines += ["", f"## {scenario}", "", f"| | {' | '.join(figures)} |"]
        lines.append("|---" * (len(figures) + 1) + "|")
        for peer, figures_of in by_peer.items():
            cells = []
            for figure in figures:
                values = [one[figure] for one in figures_of]
                of_floor = ratio(measured, scenario, figure, peer)
                beside = "" if math.isnan(of_floor) else f", {of_floor:.2f} F"
                cells.append(
                    f"{median(values):.2f}{beside} ({min(values):.2f} to {max(values):.2f})"
                )
            lines.append(f"| {peer} | {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def picture(measured: Measured) -> str:
    """Return the CPU time of a lookup, peer by peer, as an SVG for light and dark."""
    by_peer = {
        name: middle(measured, "saturation", "CPU ms a lookup", name)
        for name in measured["saturation"]
    }
    widest, row = max(by_peer.values()), 34
    bars = []
    for number, (name, value) in enumerate(sorted(by_peer.items(), key=lambda one: one[1])):
        top, width = 40 + number * row, 360 * value / widest
        colour = "#4a154b" if name == BOT else "#8a8f98"
        label = _LABELS.get(name, name)
        bars.append(
            f'<text x="168" y="{top + 16}" text-anchor="end">{label}</text>'
            f'<rect x="180" y="{top}" width="{width:.0f}" height="22" rx="3" fill="{colour}"/>'
            f'<text x="{188 + width:.0f}" y="{top + 16}">{value:.2f} ms</text>'
        )
    height = 50 + len(by_peer) * row
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 {height}" role="img"',
            ' font-family="sans-serif" font-size="14">',
            "<title>CPU time of a lookup, by what answers it</title>",
            f'<rect width="640" height="{height}" rx="8" fill="#fff"/>',
            '<text x="20" y="26" font-weight="bold">CPU time of a lookup</text>',
            *bars,
            "</svg>",
            "",
        ]
    )
