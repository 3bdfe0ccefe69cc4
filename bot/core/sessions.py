"""Queries, sessions, and the order of sessions."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import NamedTuple
from urllib.parse import urlsplit

from bot.fast_json import dumps

MAX_UID_LENGTH = 256
"""Characters: longer than a site's ids, and short enough for a URL and a heading."""

LONGEST_SESSION = timedelta(hours=8)
"""A session that started longer before a moment was not in progress then."""

SHORTLY_AFTER = timedelta(minutes=5)
"""A session that started so long after a moment may be the one that is meant."""

_FETCH_LIMIT = 20  # Fullstory's own default
_FETCH_LIMIT_WITH_TIME = 100  # sessions to look through for the one at a moment

_MAX_LINK_LENGTH = 10_000
_LONG_AGO = datetime.min.replace(tzinfo=UTC)
_FULLSTORY_HOST = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)*fullstory\.com")
_USUAL_LINK = re.compile(r"https://app(?:\.eu1)?\.fullstory\.com/[\w/:%-]{1,300}", re.ASCII)
_BREAKS_SLACK_LINKS = frozenset("<>|^\\`\"' ")

BEFORE_MOMENT = timedelta(seconds=30)
"""A replay opens so long before a moment, to show what led to it."""

# The only shape of link that is known to take a moment: …/session/USER:SESSION.
_TAKES_A_MOMENT = re.compile(
    r"https://[^/?#]+/(?:[\w.~-]+/)*session/[\w-]+(?P<colon>:|%3[Aa])[\w-]+"
)


@dataclass(frozen=True, slots=True)
class Moment:
    """When something happened; `time` is aware and in UTC.

    `of_message` says that it is when a message was written, and `is_here` that this message is in
    the channel where it was looked at: then `time` is also Slack's `ts` of it. `span` is how long
    it lasts: a minute for "14:05", a day for "yesterday".
    """

    time: datetime
    of_message: bool
    span: timedelta = timedelta()
    is_here: bool = field(default=False, compare=False)

    @property
    def end(self) -> datetime:
        """The last instant of the moment."""
        return max(self.time, self.time + self.span - timedelta(microseconds=1))


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a person was shown: the sessions that had started by `as_of`, and their `fingerprint`.

    `as_of` is aware and in UTC.
    """

    as_of: datetime
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Query:
    """Whose sessions to find, and how many at most.

    With both an e-mail and a uid, the answer has the sessions of both. The session at the `moment`
    comes first. To show what was `shown` before, later sessions are left out. If it `is_fresh`,
    Fullstory is asked again, even if it was asked seconds ago.
    """

    email: str | None
    uid: str | None
    limit: int
    moment: Moment | None = None
    shown: Snapshot | None = None
    is_fresh: bool = field(default=False, compare=False)

    def __post_init__(self) -> None:
        if not (self.email or self.uid):
            raise ValueError("a query needs an email or a uid")

    @property
    def fetch_limit(self) -> int:
        """How many sessions to ask Fullstory for: enough to reach a moment, or to show more."""
        at_least = _FETCH_LIMIT_WITH_TIME if self.moment or self.shown else _FETCH_LIMIT
        return max(self.limit, at_least)

    @property
    def identity_count(self) -> int:
        """How many names of the person to look up: one or two."""
        return bool(self.email) + bool(self.uid)

    @property
    def person(self) -> str:
        """The person's name in an answer."""
        return " / ".join(name for name in (self.email, self.uid) if name)


class Session(NamedTuple):
    """One recording.

    `fullstory_user_id` is Fullstory's own id of the person, not the site's uid. `started` is aware
    and in UTC, or None if Fullstory sent no readable time. `link` is exactly Fullstory's, or None
    if it is not safe to open.
    """

    fullstory_user_id: str
    session_id: str
    started: datetime | None
    link: str | None

    @property
    def ids(self) -> str:
        """Both ids, with a colon between them; "" if one is missing."""
        is_known = self.fullstory_user_id and self.session_id
        return f"{self.fullstory_user_id}:{self.session_id}" if is_known else ""


def usable_link(link: str) -> str | None:
    """Return the link if it is safe to open, or None.

    It has to be https on fullstory.com or a subdomain, without credentials or a port, and without
    characters that would end a link in Slack's markup.
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
    # Only the host itself: what is before an "@" or after a ":" or "%" is not part of it.
    is_ours = parts.scheme == "https" and _FULLSTORY_HOST.fullmatch(parts.netloc.lower())
    return link if is_ours else None


def replay_at(session: Session, moment: datetime, before: timedelta = BEFORE_MOMENT) -> str | None:
    """Return a link that opens the replay so long `before` a moment, or None if that's impossible.

    Fullstory's browser SDK creates such links (`url.now`). They are not documented, so only links
    of the known shape are changed.
    https://developer.fullstory.com/browser/get-session-details/
    """
    known = _TAKES_A_MOMENT.fullmatch(session.link or "")
    if not known or session.started is None:
        return None
    opens = max(session.started, moment - before)
    return f"{session.link}{known['colon']}{int(opens.timestamp() * 1000)}"


def newest_first(sessions: Iterable[Session], limit: int) -> tuple[Session, ...]:
    """Return each session once, newest first, at most `limit`; those without a time come last.

    The same session has the same ids or the same link: Fullstory writes the colon between the ids
    both plain and as `%3A`.
    """
    seen: set[object] = set()
    found: list[Session] = []
    for session in sorted(sessions, key=lambda one: one.started or _LONG_AGO, reverse=True):
        user_id, session_id, _, link = session
        ids = (user_id, session_id) if user_id and session_id else None
        plain_link = link and link.replace("%3A", ":").replace("%3a", ":")
        if ids in seen or plain_link in seen:
            continue
        if ids:
            seen.add(ids)
        if plain_link:
            seen.add(plain_link)
        found.append(session)
    return tuple(found[:limit])


@dataclass(frozen=True, slots=True)
class SessionList:
    """What a lookup found: `sessions` newest first, at most `query.limit`.

    If one was probably in progress at `query.moment`, it comes first and `at_moment` is True. If
    all fetched sessions started after the moment, and there may be older ones,
    `moment_before_fetched` is True. `latest` is the newest session, even if it is not among
    `sessions`. `replay` is a link that opens the first session at the moment, or None. `total` is
    how many sessions Fullstory listed.
    """

    query: Query
    sessions: tuple[Session, ...]
    at_moment: bool = False
    moment_before_fetched: bool = False
    latest: Session | None = None
    replay: str | None = None
    total: int = 0

    @property
    def moment_of_first(self) -> Moment | None:
        """The moment of the first session; None if it is only the latest one."""
        return self.query.moment if self.at_moment else None

    def with_replay(self) -> SessionList:
        """Return it with the link that opens the first session at the moment, if there is one."""
        moment = self.moment_of_first
        return replace(self, replay=replay_at(self.sessions[0], moment.time)) if moment else self

    def snapshot(self, now: datetime) -> Snapshot:
        """Return what is shown at the time `now`; Fullstory's clock may be ahead of ours."""
        starts = [session.started for session in self.sessions if session.started]
        names = [[one.fullstory_user_id, one.session_id, one.link] for one in self.sessions]
        fingerprint = blake2b(dumps(names).encode(), digest_size=8).hexdigest()
        return Snapshot(max([now, *starts]), fingerprint)

    @classmethod
    def of(cls, query: Query, sessions: Iterable[Session]) -> SessionList:
        """Create the answer to `query` from `sessions` in any order."""
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
                total=len(newest),
            )
        others = [session for session in newest if session is not current]
        first = (current, *others)[: query.limit]
        return cls(query, first, at_moment=True, latest=latest, total=len(newest))


def _is_after(session: Session, time: datetime) -> bool:
    return session.started is not None and session.started > time


def in_progress(sessions: Iterable[Session], moment: Moment) -> Session | None:
    """Return the session probably in progress at `moment`: the latest that had started by then.

    People round times, so one that started shortly after a time they typed counts if it is nearer.
    """
    earliest, end = moment.time - LONGEST_SESSION, moment.end
    latest_start = end if moment.of_message else end + SHORTLY_AFTER
    started = [one for one in sessions if one.started and earliest <= one.started <= latest_start]

    def distance(session: Session) -> tuple[timedelta, timedelta]:
        start = session.started or _LONG_AGO
        # In the moment, the latest is the nearest.
        return max(start - end, moment.time - start, timedelta()), end - start

    return min(started, key=distance, default=None)
