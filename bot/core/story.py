"""What happened in a session, from the events that Fullstory noticed: the worst first.

All texts come from the page that was recorded, so anything can be in them. Here they lose what is
personal or deceptive; whoever shows them escapes them for where they are shown.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from bot.core.sessions import Moment, Session, replay_at
from bot.core.words import CONTROL, INVISIBLE
from bot.fast_json import dumps

CLICKS: Final = ("click", "rage-click", "dead-click", "error-click")
TROUBLE: Final = (
    *("exception", "error-click", "network-error", "console-error"),
    *("rage-click", "dead-click", "mouse-thrash"),
)
"""Types of events that tell of trouble, the worst first."""

TYPES: Final = ("navigate", "click", *TROUBLE)
"""All types that are asked for, in Fullstory's words:
https://developer.fullstory.com/server/sessions/generate-context/"""

AROUND: Final = timedelta(minutes=3)
"""The window around a moment begins so long before it, and ends so long after it."""

BEFORE_FINDING: Final = timedelta(seconds=10)
"""A replay opens so long before what went wrong."""

_LONGEST_WINDOW: Final = timedelta(hours=1)
_SETTLED: Final = timedelta(minutes=1)  # events may arrive a little late
_IS_RUNNING: Final = timedelta(minutes=3)
_ANY_TIME: Final = datetime.min.replace(tzinfo=UTC)
_CAUSE: Final = timedelta(seconds=5)
_MAX_TEXT: Final = 120
_MAX_PATH: Final = 80
_MAX_REMOVED: Final = 80  # characters of a text that are looked at beyond those that are shown
_BETWEEN_WORDS: Final = re.compile(r"([ /])")
_AT: Final = re.compile(
    r"[\uff20\ufe6b]|%(?:25)*(?:40|EF%(?:25)*BC%(?:25)*A0)|&#(?:64|x40);|&commat;|\\(?:u00|x)40"
    r"|[\[(]at[\])]",
    re.IGNORECASE,
)
"""The “@” of an address in the spellings of URLs, HTML, JSON and people."""

_QUERY: Final = re.compile(
    r"(?:[?\uff1f](?![\s.?!,;:)\]}\"']|$)|(?<=[^\s&])#(?=\S)|[;&](?=[\w.%\[\]-]+=)|%(?:25)*(?:3F|23))\S*",
    re.IGNORECASE,
)
"""A query, a fragment or a parameter, up to the next white space."""

_SCHEME: Final = re.compile(r"\b[a-z][a-z0-9+.-]{1,20}://", re.IGNORECASE)
_CLOSERS: Final = "\"')>]},.;:"
_MASK: Final = "…"


class Event(NamedTuple):
    """Something that Fullstory noticed at a `time` (aware, in UTC), on the page `path`.

    `text` is what was pressed, or the message of an error.
    """

    type: str
    time: datetime
    path: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class Window:
    """A part of a session; `start` and `end` are aware and in UTC."""

    start: datetime
    end: datetime

    @classmethod
    def around(cls, moment: Moment | None) -> Window | None:
        """Return the window around a moment; None if there is none, or if it lasts for hours."""
        if moment is None or moment.span > _LONGEST_WINDOW:
            return None
        return cls(moment.time - AROUND, moment.end + AROUND)

    def is_closed(self, now: datetime) -> bool:
        """Tell whether nothing happens in it anymore."""
        return self.end + _SETTLED < now


class Excerpt(NamedTuple):
    """What Fullstory tells of a part of a session.

    If it `is_cut`, there were more events than were asked for. `browser` and `system` are "" if
    they are not known.
    """

    events: Sequence[Event] = ()
    is_cut: bool = False
    browser: str = ""
    system: str = ""

    def to_json(self) -> str:
        """Return it as text, which `from_json` reads."""
        events = [(kind, time.timestamp(), *rest) for kind, time, *rest in self.events]
        return dumps([events, *self[1:]])

    @classmethod
    def from_json(cls, text: str) -> Excerpt:
        """Read such a text."""
        events, *rest = json.loads(text)
        read = [
            Event(kind, datetime.fromtimestamp(time, UTC), path, said)
            for kind, time, path, said in events
        ]
        return cls(read, *rest)


@dataclass(frozen=True, slots=True)
class Finding:
    """Trouble that happened `count` times; `event` is the first.

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
    """What happened: `findings` with the worst first, and the pages in their order.

    `counts` has how many findings there are of each type.
    """

    excerpt: Excerpt
    findings: tuple[Finding, ...]
    visits: tuple[Visit, ...]
    counts: Mapping[str, int]

    @property
    def duration(self) -> timedelta:
        """The time from the first to the last event."""
        events = self.excerpt.events
        return events[-1].time - events[0].time if events else timedelta()

    def may_be_running(self, now: datetime) -> bool:
        """Tell whether something happened in the last minutes."""
        events = self.excerpt.events
        return bool(events) and now - events[-1].time < _IS_RUNNING


def clean(text: str, length: int = _MAX_TEXT) -> str:
    """Return a text of a page without addresses, queries, links and characters that deceive."""
    longest = length + _MAX_REMOVED
    plain = " ".join(text[:longest].split())
    if len(text) > longest:  # the last word may be half an address
        plain = plain[: max(plain.rfind(" "), plain.rfind("/")) + 1 or None]
    plain = _SCHEME.sub("", INVISIBLE.sub("", CONTROL.sub("", plain)))
    plain = _QUERY.sub(_closers, plain)
    plain = _without_addresses(plain).strip()
    return plain if len(plain) <= length else f"{plain[: length - 1]}…"


def _closers(query: re.Match[str]) -> str:
    """Keep what closes a sentence or a bracket behind a query."""
    return query[0][len(query[0].rstrip(_CLOSERS)) :]


def _without_addresses(text: str) -> str:
    is_rare = _AT.search(text)
    if not (is_rare or "@" in text):
        return text
    words = _BETWEEN_WORDS.split(text)
    return "".join(
        _MASK if ("@" in word and len(word) > 1) or (is_rare and _AT.search(word)) else word
        for word in words
    )


def path_of(url: str) -> str:
    """Return the path of a page's address; "…" if it has none."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return _MASK
    is_page = parts.netloc if parts.scheme else parts.path.startswith("/")
    return (is_page and clean(parts.path or "/", _MAX_PATH)) or _MASK


def tell(excerpt: Excerpt) -> Story:
    """Tell what happened; the events may be in any order."""
    ordered = sorted(excerpt.events, key=lambda one: one.time)
    findings = [_with_cause(one, ordered) for one in _merged(ordered)]
    findings.sort(key=lambda one: (TROUBLE.index(one.event.type), one.event.time))
    return Story(
        excerpt._replace(events=ordered),
        tuple(findings),
        tuple(_visits(ordered)),
        Counter(one.event.type for one in findings),
    )


def replay_of(story: Story, session: Session, window: Window | None) -> str | None:
    """Return a link that opens the replay where the worst happened, or where the window begins."""
    if story.findings:
        return replay_at(session, story.findings[0].event.time, BEFORE_FINDING)
    return replay_at(session, window.start, timedelta()) if window else None


def _merged(events: Sequence[Event]) -> list[Finding]:
    """Return each trouble once, however often it happened: bursts, and requests that fail again."""
    found: dict[Event, Finding] = {}
    for event in events:
        if event.type in TROUBLE:
            same = event._replace(time=_ANY_TIME)
            before = found.get(same, Finding(event, 0))
            found[same] = replace(before, count=before.count + 1)
    return list(found.values())


def _with_cause(finding: Finding, events: Sequence[Event]) -> Finding:
    """Add the last click in the five seconds before an error, if possible on the same page."""
    error = finding.event
    if error.type in CLICKS or error.type == "mouse-thrash":
        return finding
    before = [
        one
        for one in reversed(events)
        if one.type in CLICKS and timedelta() <= error.time - one.time <= _CAUSE
    ]
    here = (one for one in before if one.path == error.path)
    return replace(finding, cause=next(here, before[0] if before else None))


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
