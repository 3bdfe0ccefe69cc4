"""What is looked up and what is found: values, their order, nothing else.

Pure: no I/O, no clock, no Slack.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from urllib.parse import unquote, urlsplit

MAX_UID_LENGTH = 256
"""Characters. Longer than any id a site would give, short enough for a URL and a heading."""

LONGEST_SESSION = timedelta(hours=8)
"""A session that started earlier than this before a moment was not in progress then."""

_FETCH_LIMIT_WITH_TIME = 100  # sessions to look through for the one at a moment

_MAX_LINK_LENGTH = 10_000
_LONG_AGO = datetime.min.replace(tzinfo=UTC)
_FULLSTORY_HOST = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)*fullstory\.com")
_USUAL_LINK = re.compile(r"https://app(?:\.eu1)?\.fullstory\.com/[\w/:%-]{1,300}", re.ASCII)
_BREAKS_SLACK_LINKS = frozenset("<>|^\\`\"' ")

BEFORE_MOMENT = timedelta(seconds=30)
"""So much before a moment a replay opens: what led to it is seen, too."""

# The only shape of link that is known to take a moment: …/session/USER:SESSION, and nothing after.
_TAKES_A_MOMENT = re.compile(
    r"https://[^/?#]+/(?:[\w.~-]+/)*session/[\w-]+(?P<colon>:|%3[Aa])[\w-]+"
)


@dataclass(frozen=True, slots=True)
class Moment:
    """When something happened: `time` is aware and in UTC.

    `of_message` tells whether that is when a message was written. With `whole_minute`, it is any
    time in the minute that begins then.
    """

    time: datetime
    of_message: bool
    whole_minute: bool = False

    @property
    def end(self) -> datetime:
        """The last instant that is meant."""
        minute = timedelta(minutes=1) - timedelta(microseconds=1)
        return self.time + minute if self.whole_minute else self.time


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What somebody was shown: the sessions that had started by `as_of`, and their `fingerprint`.

    `as_of` is aware and in UTC.
    """

    as_of: datetime
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Query:
    """Whose sessions, and how many at most.

    With both an e-mail and a uid the answer is the union of the two. One of the sessions may show
    what happened at the `moment`. Where what was `shown` is wanted once more, later sessions are
    left out.
    """

    email: str | None
    uid: str | None
    limit: int
    moment: Moment | None = None
    shown: Snapshot | None = None

    def __post_init__(self) -> None:
        if not (self.email or self.uid):
            raise ValueError("a query needs an email or a uid")

    @property
    def fetch_limit(self) -> int:
        """How many sessions to ask Fullstory for: enough to get back to a time."""
        return max(self.limit, _FETCH_LIMIT_WITH_TIME) if self.moment or self.shown else self.limit

    @property
    def identity_count(self) -> int:
        """How many names of the person there are to look up: one or two."""
        return bool(self.email) + bool(self.uid)

    @property
    def person(self) -> str:
        """How to name the person in an answer."""
        return " / ".join(name for name in (self.email, self.uid) if name)


@dataclass(frozen=True, slots=True)
class Session:
    """One recording.

    `fullstory_user_id` is Fullstory's own id of the person, not the uid that a site gives.
    `started` is aware and in UTC, or None where Fullstory gave no readable time. `link` is
    Fullstory's own, letter for letter, or None where it gave none that is safe to open.
    """

    fullstory_user_id: str
    session_id: str
    started: datetime | None
    link: str | None


def usable_link(link: str) -> str | None:
    """The link itself if a person may be sent there, else None.

    That is: https on fullstory.com or a subdomain, without credentials or a port, and no character
    that would end a link early in Slack's markup.
    """
    if _USUAL_LINK.fullmatch(link):
        return link
    if (
        len(link) > _MAX_LINK_LENGTH
        or not link.isascii()
        or not link.isprintable()
        or not _BREAKS_SLACK_LINKS.isdisjoint(link)
    ):
        return None
    try:
        parts = urlsplit(link)
    except ValueError:
        return None
    # Nothing but the host itself: what stands before an "@", after a ":" or behind a "%" is no part
    # of it, whatever it looks like.
    is_ours = parts.scheme == "https" and _FULLSTORY_HOST.fullmatch(parts.netloc.lower())
    return link if is_ours else None


def replay_at(session: Session, moment: datetime) -> str | None:
    """A link that opens the replay shortly before a moment, or None where none can be made.

    The form is Fullstory's own: its browser SDK makes such links (`url.now`). No page documents it,
    so it is made only for links of the known shape.
    https://developer.fullstory.com/browser/get-session-details/
    """
    known = _TAKES_A_MOMENT.fullmatch(session.link or "")
    if not known or session.started is None:
        return None
    opens = max(session.started, moment - BEFORE_MOMENT)
    return f"{session.link}{known['colon']}{int(opens.timestamp() * 1000)}"


def newest_first(sessions: Iterable[Session], limit: int) -> tuple[Session, ...]:
    """Each session once, newest first, `limit` at most; those without a time come last.

    The same session can be told by its ids, or by its link: Fullstory writes the colon between the
    ids both plain and as `%3A`.
    """
    seen: set[object] = set()
    found: list[Session] = []
    for session in sorted(sessions, key=lambda one: one.started or _LONG_AGO, reverse=True):
        marks: set[object] = set()
        if session.fullstory_user_id and session.session_id:
            marks.add((session.fullstory_user_id, session.session_id))
        if session.link:
            marks.add(unquote(session.link))
        if marks and not seen.isdisjoint(marks):
            continue
        seen |= marks
        found.append(session)
    return tuple(found[:limit])


@dataclass(frozen=True, slots=True)
class SessionList:
    """What a lookup found: `sessions` newest first, no more than `query.limit`.

    If one was most likely in progress at `query.moment`, it stands first and `at_moment` is True.
    If Fullstory's newest sessions all started after the moment, and there may be older ones,
    `moment_before_fetched` is True. `latest` is the newest session of all, also where there is no
    room for it beside the one at the moment. `replay` is a link that opens the first session at the
    moment, or None where there is none.
    """

    query: Query
    sessions: tuple[Session, ...]
    at_moment: bool = False
    moment_before_fetched: bool = False
    latest: Session | None = None
    replay: str | None = None

    @property
    def moment_of_first(self) -> Moment | None:
        """The moment that the first session is probably of; None where it is only the latest."""
        return self.query.moment if self.at_moment else None

    def with_replay(self) -> SessionList:
        """The same, with the link that opens the first session at the moment, if there is one."""
        moment = self.moment_of_first
        return replace(self, replay=replay_at(self.sessions[0], moment.time)) if moment else self

    def snapshot(self, now: datetime) -> Snapshot:
        """What is shown of it at the time `now`; Fullstory's clock may be ahead of ours."""
        starts = [session.started for session in self.sessions if session.started]
        names = [[one.fullstory_user_id, one.session_id, one.link] for one in self.sessions]
        fingerprint = hashlib.sha256(json.dumps(names).encode()).hexdigest()[:16]
        return Snapshot(max([now, *starts]), fingerprint)

    @classmethod
    def of(cls, query: Query, sessions: Iterable[Session]) -> SessionList:
        """The answer to `query` among `sessions`, which may come in any order and twice."""
        if query.shown:
            sessions = [one for one in sessions if not _is_after(one, query.shown.as_of)]
        newest = newest_first(sessions, query.fetch_limit)
        latest = newest[0] if newest else None
        current = query.moment and in_progress(newest, query.moment)
        if not current:
            oldest = newest[-1].started if len(newest) == query.fetch_limit else None
            moment_before_fetched = bool(query.moment and oldest and oldest > query.moment.end)
            return cls(
                query,
                newest[: query.limit],
                moment_before_fetched=moment_before_fetched,
                latest=latest,
            )
        others = [session for session in newest if session is not current]
        return cls(query, (current, *others)[: query.limit], at_moment=True, latest=latest)


def _is_after(session: Session, time: datetime) -> bool:
    return session.started is not None and session.started > time


def in_progress(sessions: Iterable[Session], moment: Moment) -> Session | None:
    """The session most likely in progress at `moment`: the latest that had started by then."""
    earliest, end = moment.time - LONGEST_SESSION, moment.end
    started = [one for one in sessions if one.started and earliest <= one.started <= end]
    return max(started, key=lambda one: one.started or _LONG_AGO, default=None)
