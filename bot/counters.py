"""Counts what happens in this process; `bot.metrics` shows the counts to Prometheus.

They say nothing about people: labels are names of ours, of Slack's methods and errors, or statuses.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

NAMES: Final = {
    "lookups": ("Lookups by entry point and outcome", ("entry_point", "outcome")),
    "insights": (
        "Presses on What happened? by outcome: each that is paid costs an Activation",
        ("outcome",),
    ),
    "fullstory_responses": (
        "Responses of Fullstory by status; none if there was no connection or no response",
        ("status",),
    ),
    "fullstory_retries": ("Requests to Fullstory that were tried again", ()),
    "answers": ("Answers by when they were ready: in ack, after ack, or late", ("when",)),
    "deliveries": ("Messages by way, and whether Slack took them", ("way", "result")),
    "slack_errors": ("Errors of Slack's Web API", ("method", "error")),
    "offers": ("Messages in support channels about a customer, by what was done", ("result",)),
}
"""Each counter, its help and its labels."""

FROM_START: Final = (
    *(("lookups", one, "busy") for one in ("command", "button", "form", "offer", "mention")),
    ("fullstory_responses", "429"),
    ("insights", "over the limit"),
    *(
        ("deliveries", way, result)
        for way in ("ack", "response_url", "message", "update", "modal")
        for result in ("taken", "unknown", "refused", "failed", "not_sent")
    ),
)
"""Shown before they happen: Prometheus sees an increase only of what it has seen before."""

counts: Counter[tuple[str, ...]] = Counter()
"""How often, by the counter and the values of its labels."""


def count(name: str, *labels: str) -> None:
    """Count one more."""
    counts[name, *labels] += 1
