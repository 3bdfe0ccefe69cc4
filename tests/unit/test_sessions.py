"""Links that a person may be sent to, and the order of sessions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.sessions import Query, Session, newest_first, usable_link

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def session(number: int, minutes_ago: int | None = 0, link: str | None = "") -> Session:
    """A session of user 1."""
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
def test_order(drawn: list[tuple[int, int | None]], limit: int) -> None:
    """Whatever comes in: sorted, without repeats, within the limit, and nothing invented."""
    sessions = [session(number, minutes) for number, minutes in drawn]
    found = newest_first(sessions, limit)
    times = [one.started.timestamp() if one.started else 0.0 for one in found]
    assert times == sorted(times, reverse=True)
    assert len({one.session_id for one in found}) == len(found) <= limit
    assert set(found) <= set(sessions)
    assert len(found) == min(limit, len({one.session_id for one in sessions}))


def test_a_query_names_somebody() -> None:
    """Neither e-mail nor uid would list everybody's sessions."""
    with pytest.raises(ValueError, match="email or a uid"):
        Query(None, "", 5)
