"""What happened in a session, from the events that Fullstory noticed: the worst first.

All texts come from the page that was recorded, so anything can be in them. Here they lose what is
personal or deceptive; whoever shows them escapes them for where they are shown.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlsplit

from bot.core.words import CONTROL, INVISIBLE

CLICKS: Final = ("click", "rage-click", "dead-click", "error-click")
TROUBLE: Final = (
    *("exception", "error-click", "network-error", "console-error"),
    *("rage-click", "dead-click", "mouse-thrash"),
)
"""Types of events that tell of trouble, the worst first."""

TYPES: Final = ("navigate", "click", *TROUBLE)
"""All types that are asked for, in Fullstory's words:
https://developer.fullstory.com/server/sessions/generate-context/"""

_BURST: Final = timedelta(seconds=2)
_CAUSE: Final = timedelta(seconds=5)
_MAX_TEXT: Final = 120
_MAX_PATH: Final = 80
_ADDRESS: Final = re.compile(
    r"[^\s@/?&=\"'<>()]{1,64}(?:@|%40)[^\s@/?&=\"'<>()]{1,255}", re.IGNORECASE
)
_BEHIND_PATH: Final = re.compile(r"(?<=\S)[?#][^\s\"'<>)]*")
_MASK: Final = "…"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that Fullstory noticed at a `time` (aware, in UTC), on the page `path`.

    `text` is what was pressed, or the message of an error.
    """

    type: str
    time: datetime
    path: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """Trouble: `count` events of a burst, of which `event` is the first.

    `cause` is the click shortly before an error, if there was one.
    """

    event: Event
    count: int = 1
    cause: Event | None = None


@dataclass(frozen=True, slots=True)
class Visit:
    """A page that was seen, and for how long."""

    path: str
    duration: timedelta


@dataclass(frozen=True, slots=True)
class Story:
    """What happened between the first and the last event, which is `duration` long.

    `findings` are the worst first, and in their order in time. `counts` has how many there are of
    each type. If `is_cut`, there may be events that are not in it. `browser` and `system` are "" if
    they are not known.
    """

    duration: timedelta
    findings: tuple[Finding, ...]
    visits: tuple[Visit, ...]
    counts: Mapping[str, int]
    is_cut: bool = False
    browser: str = ""
    system: str = ""


def clean(text: str, length: int = _MAX_TEXT) -> str:
    """Return a text of a page without addresses, query strings and characters that deceive."""
    plain = INVISIBLE.sub("", CONTROL.sub(" ", text[: 4 * length]))
    plain = " ".join(_BEHIND_PATH.sub("", _ADDRESS.sub(_MASK, plain)).split())
    return plain if len(plain) <= length else f"{plain[: length - 1]}…"


def path_of(url: str) -> str:
    """Return the path of a page's address: the query and the fragment are never shown."""
    try:
        path = urlsplit(url).path
    except ValueError:
        return _MASK
    return clean(path or "/", _MAX_PATH)


def tell(
    events: Iterable[Event], *, is_cut: bool = False, browser: str = "", system: str = ""
) -> Story:
    """Tell what happened; the events may come in any order."""
    ordered = sorted(events, key=lambda one: one.time)
    findings = [_with_cause(one, ordered) for one in _bursts(ordered)]
    findings.sort(key=lambda one: (TROUBLE.index(one.event.type), one.event.time))
    return Story(
        duration=ordered[-1].time - ordered[0].time if ordered else timedelta(),
        findings=tuple(findings),
        visits=tuple(_visits(ordered)),
        counts=Counter(one.event.type for one in findings),
        is_cut=is_cut,
        browser=clean(browser),
        system=clean(system),
    )


def _bursts(events: Sequence[Event]) -> list[Finding]:
    """Merge events of one type on one page that are less than two seconds apart."""
    found: list[Finding] = []
    open_bursts: dict[tuple[str, str], tuple[int, datetime]] = {}
    for event in events:
        if event.type not in TROUBLE:
            continue
        key = (event.type, event.path)
        index, last = open_bursts.get(key, (-1, event.time))
        if index >= 0 and event.time - last < _BURST:
            found[index] = replace(found[index], count=found[index].count + 1)
        else:
            index = len(found)
            found.append(Finding(event))
        open_bursts[key] = (index, event.time)
    return found


def _with_cause(finding: Finding, events: Sequence[Event]) -> Finding:
    """Add the last click on the same page in the five seconds before an error."""
    error = finding.event
    if error.type in CLICKS or error.type == "mouse-thrash":
        return finding
    before = (
        one
        for one in reversed(events)
        if one.type in CLICKS
        and one.path == error.path
        and timedelta() <= error.time - one.time <= _CAUSE
    )
    return replace(finding, cause=next(before, None))


def _visits(events: Sequence[Event]) -> Iterator[Visit]:
    """Yield the pages in their order; each lasts until the first event on the next one."""
    if not events:
        return
    path, since = events[0].path, events[0].time
    for event in events:
        if event.path != path:
            yield Visit(path, event.time - since)
            path, since = event.path, event.time
    yield Visit(path, events[-1].time - since)
