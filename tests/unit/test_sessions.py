"""Links that a person may be sent to, and the order of sessions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.sessions import Moment, Query, Session, SessionList, newest_first, usable_link

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def session(number: int, minutes_ago: int | None = 0, link: str | None = "") -> Session:
    """Return a session of user 1."""
    started = None if minutes_ago is None else NOON - timedelta(minutes=minutes_ago)
    default = f"https://app.fullstory.com/ui/ORG/session/1:{number}"
    return Session("1", str(number), started, default if link == "" else link)


@pytest.mark.parametrize(
    "link",
    [
        "https://app.fullstory.com/ui/ORG/session/1:2",
        "https://app.eu1.fullstory.com/ui/o-1-eu1/session/1%3A2",
        "https://www.fullstory.com/ui/ORG_ID/discover/session/1234567890:1234567890",
        "https://fullstory.com/s/1:2",
        "https://APP.FULLSTORY.COM/ui?x=1&y=2#z",
    ],
)
def test_fullstory_links_are_used_letter_for_letter(link: str) -> None:
    """What the API gave is what people get."""
    assert usable_link(link) == link


@pytest.mark.parametrize(
    "link",
    [
        "",
        "http://app.fullstory.com/ui/ORG/session/1:2",
        "javascript:alert(1)//app.fullstory.com",
        "https://fullstory.com.example.net/",
        "https://notfullstory.com/",
        "https://app.fullstory.com@example.net/",
        "https://user:password@app.fullstory.com/",
        "https://app.fullstory.com:8443/",
        "https://example.net\\.fullstory.com/",
        "https://example.net/.fullstory.com",
        "https://example.net?.fullstory.com",
        "https://example.net#.fullstory.com",
        "https://app.fullstory.com/a|b",
        "https://app.fullstory.com/a>b",
        "https://app.fullstory.com/a^b",
        "https://app.fullstory.com/a b",
        "https://app.fullstory.com/a\nb",
        "https://app.füllstory.com/",
        "https://app.fullstory.com。example.net/",
        "https://[app.fullstory.com/",
        "https://example.net%2F.fullstory.com/x",
        "https://.fullstory.com/x",
        "https://-.fullstory.com/x",
        "https://a..fullstory.com/x",
        "//app.fullstory.com/",
        " https://app.fullstory.com/",
    ],
)
def test_other_links_are_not(link: str) -> None:
    """Not another host, however it is dressed up; nothing that would break Slack's markup."""
    assert usable_link(link) is None


def test_newest_first_and_no_more_than_the_limit() -> None:
    """Fullstory lists the older first; a union may be longer than what was asked for."""
    sessions = [session(n, minutes_ago=100 - n) for n in range(10)]
    found = newest_first(sessions, limit=3)
    assert [one.session_id for one in found] == ["9", "8", "7"]


def test_those_without_a_time_come_last() -> None:
    """They are shown all the same."""
    found = newest_first([session(1, None), session(2, 5)], limit=5)
    assert [one.session_id for one in found] == ["2", "1"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (session(1), session(1)),
        (session(1), session(1, link="https://www.fullstory.com/s/1:1")),
        (
            Session("", "", NOON, "https://app.fullstory.com/ui/ORG/session/1:1"),
            Session("", "", NOON, "https://app.fullstory.com/ui/ORG/session/1%3A1"),
        ),
        (session(1, link=None), session(1)),
    ],
)
def test_one_line_for_a_session(one: Session, other: Session) -> None:
    """The same session is told by its ids or by its link, however the colon is written."""
    assert newest_first([one, other], limit=5) == (one,)


def test_sessions_without_any_mark_are_all_kept() -> None:
    """Without ids and link nothing says that they are the same."""
    unmarked = Session("", "", None, None)
    assert len(newest_first([unmarked, unmarked], limit=5)) == 2


@given(st.lists(st.tuples(st.integers(1, 5), st.none() | st.integers(0, 5))), st.integers(1, 5))
def test_order(always: list[tuple[int, int | None]], limit: int) -> None:
    """Whatever comes in: sorted, without repeats, within the limit, and nothing invented."""
    sessions = [session(number, minutes) for number, minutes in always]
    found = newest_first(sessions, limit)
    times = [one.started.timestamp() if one.started else 0.0 for one in found]
    assert times == sorted(times, reverse=True)
    assert len({one.session_id for one in found}) == len(found) <= limit
    assert set(found) <= set(sessions)
    assert len(found) == min(limit, len({one.session_id for one in sessions}))


def at(time: str) -> datetime:
    """Return a time with its offset, in UTC."""
    return datetime.fromisoformat(time).astimezone(UTC)


@pytest.mark.parametrize(
    ("started", "moment", "first"),
    [
        # On both sides of midnight.
        (["2026-11-22T23:50Z", "2026-11-23T00:20Z"], "2026-11-23T00:10Z", "0"),
        (["2026-11-22T23:50Z", "2026-11-23T00:05Z"], "2026-11-23T00:10Z", "1"),
        (["2026-12-31T23:59Z", "2026-12-31T18:00Z"], "2027-01-01T00:00Z", "0"),
        # Clocks go back: 02:40 comes twice, and the second is an hour after the first.
        (["2026-10-25T02:40+02:00", "2026-10-25T02:40+01:00"], "2026-10-25T02:50+02:00", "0"),
        (["2026-10-25T02:40+02:00", "2026-10-25T02:40+01:00"], "2026-10-25T02:50+01:00", "1"),
        # Clocks go forward: eight hours are eight hours.
        (["2026-03-28T20:00+01:00"], "2026-03-29T05:00+02:00", "0"),
        (["2026-03-28T20:00+01:00"], "2026-03-29T05:01+02:00", None),
        # Equal times: it started just then; and what starts later did not.
        (["2026-11-23T10:00Z", "2026-11-23T11:00Z"], "2026-11-23T10:00Z", "0"),
        (["2026-11-23T10:00:01Z"], "2026-11-23T10:00Z", None),
        # Eight hours, to the second.
        (["2026-11-23T02:00Z"], "2026-11-23T10:00Z", "0"),
        (["2026-11-23T01:59:59Z"], "2026-11-23T10:00Z", None),
    ],
)
def test_the_session_at_a_moment(started: list[str], moment: str, first: str | None) -> None:
    """The latest that started before it, no more than eight hours before."""
    sessions = [
        Session("1", str(n), at(time), f"https://app.fullstory.com/s/1:{n}")
        for n, time in enumerate(started)
    ]
    query = Query(None, "u", 5, Moment(at(moment), of_message=True))
    found = SessionList.of(query, sessions)
    assert found.at_moment == (first is not None)
    if first is not None:
        assert found.sessions[0].session_id == first
    assert set(found.sessions) == set(sessions)
    others = [one.started for one in found.sessions[found.at_moment :] if one.started]
    assert others == sorted(others, reverse=True)


@pytest.mark.parametrize(
    ("seconds", "span", "first"),
    [
        ((-3600, 40, 60), 60, 1),  # 12:00:40 is in the minute of 12:00
        ((-3600, 61), 60, 1),  # shortly after is nearer than an hour before
        ((-60, 300), 60, 0),  # a minute before is nearer
        ((-20, 30), 0, 0),
        ((-40, 30), 0, 1),
        ((-3600, 301), 0, 0),  # more than five minutes after
        ((-3600, 0, 3600, 86399), 86400, 3),  # on a day, the latest
        ((-3600, 90000), 86400, 0),
    ],
)
def test_the_nearest_to_a_typed_time(seconds: tuple[int, ...], span: int, first: int) -> None:
    """The one in it, before it, or up to five minutes after it, whichever is nearest."""
    sessions = [
        Session("1", str(n), NOON + timedelta(seconds=start), None)
        for n, start in enumerate(seconds)
    ]
    moment = Moment(NOON, of_message=False, span=timedelta(seconds=span))
    found = SessionList.of(Query(None, "u", 5, moment), sessions)
    assert found.sessions[0].session_id == str(first)


def test_what_starts_after_a_message_is_not_what_it_is_about() -> None:
    """People write when it has happened."""
    sessions = [Session("1", "1", NOON + timedelta(seconds=5), None)]
    query = Query(None, "u", 5, Moment(NOON, of_message=True))
    assert not SessionList.of(query, sessions).at_moment


def test_two_sessions_that_started_at_the_same_time() -> None:
    """One of them is first, and both are there."""
    twins = [session(1, 10), session(2, 10)]
    found = SessionList.of(Query(None, "u", 5, Moment(NOON, of_message=False)), twins)
    assert found.at_moment
    assert sorted(one.session_id for one in found.sessions) == ["1", "2"]


def test_a_moment_reaches_further_back_than_the_limit() -> None:
    """The session that matters may be the fiftieth; what is shown stays within the limit."""
    sessions = [session(n, minutes_ago=60 * n) for n in range(60)]
    moment = Moment(NOON - timedelta(hours=50, minutes=30), of_message=True)
    query = Query(None, "u", 3, moment)
    found = SessionList.of(query, sessions)
    assert [one.session_id for one in found.sessions] == ["51", "0", "1"]
    assert query.fetch_limit == 100


def test_a_query_names_a_person() -> None:
    """Neither e-mail nor uid would list everyone's sessions."""
    with pytest.raises(ValueError, match="email or a uid"):
        Query(None, "", 5)


def test_what_was_shown_is_known_to_later_releases() -> None:
    """The fingerprint is signed into buttons that are good for thirty days."""
    found = SessionList.of(Query("jane@example.com", None, 5), [session(1), session(2, 5, None)])
    assert found.snapshot(NOON).fingerprint == "7f451d95a6fc1c9d"
