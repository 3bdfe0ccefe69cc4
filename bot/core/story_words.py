"""A story in words, as plain text: for Slack, the terminal, and bug reports."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import groupby
from typing import Final

from bot.core.sessions import Session
from bot.core.story import CLICKS, Event, Finding, Story, Window, replay_of

NOTHING_WRONG: Final = "Nothing went wrong that Fullstory noticed."
NO_EVENTS: Final = (
    "Fullstory noticed no clicks, pages or errors in this part of the session. It may have ended "
    "before."
)
IS_CUT: Final = "There may be more events than the 200 that Fullstory gives at once."

NAMES: Final = {
    "exception": "Error in the page",
    "error-click": "Click that caused an error",
    "network-error": "Failed request",
    "console-error": "Error in the console",
    "rage-click": "Rage click",
    "dead-click": "Click that did nothing",
    "mouse-thrash": "Mouse moved wildly",
}
"""Each kind of trouble, for people who don't know Fullstory's words."""

_COUNTED: Final = {
    "exception": "error",
    "error-click": "error",
    "network-error": "error",
    "console-error": "error",
    "rage-click": "rage click",
    "dead-click": "dead click",
    "mouse-thrash": "wild mouse move",
}
_MAX_PRESSES: Final = 4
_MAX_FINDINGS: Final = 4
_MAX_NAME: Final = 60  # characters of what was pressed
_MAX_LINK: Final = 500


def overview(story: Story) -> str:
    """Return one line as a map: "12 minutes · 4 pages · 2 errors · 1 rage click"."""
    pages = len({visit.path for visit in story.visits})
    counts: dict[str, int] = {}
    for kind, name in _COUNTED.items():
        counts[name] = counts.get(name, 0) + story.counts.get(kind, 0)
    parts = [_long(story.duration), _counted(pages, "page")]
    return " · ".join([*parts, *(_counted(count, name) for name, count in counts.items() if count)])


def title(finding: Finding) -> str:
    """Return the name of a finding, and how often it happened."""
    times = f" ({finding.count} times)" if finding.count > 1 else ""
    return f"{NAMES[finding.event.type]}{times}"


def after_cause(finding: Finding) -> str:
    """Say how long after the click that caused it, up to what was pressed; "" if nothing did."""
    if finding.cause is None:
        return ""
    seconds = round((finding.event.time - finding.cause.time).total_seconds())
    return f"{seconds} s after a click" if seconds else "right after a click"


def short(duration: timedelta) -> str:
    """Return how long a page was seen."""
    seconds = round(duration.total_seconds())
    if seconds < 90:
        return f"{seconds} s"
    return f"{round(seconds / 60)} min" if seconds < 90 * 60 else f"{round(seconds / 3600)} h"


def bug_report(story: Story, session: Session, window: Window | None, *, links: bool) -> str:
    """Return a report for people who have not seen the session; it names no customer.

    With `links`, the replay opens where the worst happened. It has some 3,000 characters at most.
    """
    replay = (links and replay_of(story, session, window)) or session.link
    worst = story.findings[0] if story.findings else None
    event = worst.event if worst else None
    time = event.time if event else session.started
    lines = [
        *([f"Page: {event.path}"] if event else []),
        *([f"When: {time:%Y-%m-%d %H:%M:%S} UTC"] if time else []),
        f"Browser: {', '.join(filter(None, story.excerpt[2:])) or 'not known'}",
        *([f"Replay: {replay}"] if replay and len(replay) <= _MAX_LINK else []),
        "",
        "What was tried",
        *(f"- {line}" for line in _tried(story, event)),
        "",
        "What happened (times in UTC)",
        *(f"- {line}" for line in _happened(story)),
        *([f"- {IS_CUT}"] if story.excerpt.is_cut else []),
    ]
    return "\n".join(lines)


def _tried(story: Story, until: Event | None) -> list[str]:
    """Return the pages up to an event, and what was pressed last on them."""
    events = [one for one in story.excerpt.events if until is None or one.time <= until.time]
    steps = [_step(path, list(visit)) for path, visit in groupby(events, lambda one: one.path)]
    left_out = len(steps) - _MAX_PRESSES
    first = [f"(after {_counted(left_out, 'earlier step')})"] if left_out > 0 else []
    return [*first, *steps[-_MAX_PRESSES:]] or ["not known"]


def _step(path: str, events: Sequence[Event]) -> str:
    pressed = (one.text for one in events if one.type in CLICKS and one.text)
    names = [_named(name) for name, _ in groupby(pressed)]
    return f"On {path}, pressed {', '.join(names[-3:])}" if names else f"Opened {path}"


def _happened(story: Story) -> Iterator[str]:
    if not story.findings:
        yield NOTHING_WRONG if story.excerpt.events else NO_EVENTS
    worst = story.findings[:_MAX_FINDINGS]
    for finding in sorted(worst, key=lambda one: one.event.time):
        yield in_one_line(finding)
    if (left := len(story.findings) - _MAX_FINDINGS) > 0:
        yield f"and {left} more"


def in_one_line(finding: Finding) -> str:
    """Return a finding with its time in UTC, its page, and its cause."""
    event, cause = finding.event, finding.cause
    said = f": {event.text}" if event.text else ""
    after = after_cause(finding)
    named = f" on {_named(cause.text)}" if cause and cause.text else ""
    why = f", {after}{named}" if after else ""
    return f"{event.time:%H:%M:%S}  {title(finding)}{said} (on {event.path}{why})"


def _named(text: str) -> str:
    return f"“{text if len(text) <= _MAX_NAME else text[: _MAX_NAME - 1] + '…'}”"


def _long(duration: timedelta) -> str:
    seconds = round(duration.total_seconds())
    if seconds < 60:
        return _counted(seconds, "second")
    if seconds < 90 * 60:
        return _counted(round(seconds / 60), "minute")
    return f"{seconds / 3600:.1f} hours"


def _counted(count: int, name: str) -> str:
    return f"{count} {name}{'' if count == 1 else 's'}"
