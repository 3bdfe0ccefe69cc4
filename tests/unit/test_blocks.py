"""What Slack is sent: layout, escaping, limits."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import KeyRejected
from bot.sandbox.workspace import invalid_blocks
from bot.sessions import MAX_UID_LENGTH, Moment, Query, Session, SessionList
from bot.slack.ui import listing, notes
from bot.slack.ui.pieces import RESPONSE_URL
from bot.typed.query import Limits, Problem, Refused

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
LIMITS = Limits(20, 100)


def found(
    count: int, *, limit: int = 100, link_length: int = 0, uid: str = "user-42"
) -> SessionList:
    """So many sessions, an hour apart; their links padded to a length."""
    sessions = []
    for number in range(count):
        link = f"https://app.fullstory.com/ui/ORG/session/{number:08}"
        link += "x" * (link_length - len(link))
        sessions.append(Session("1", str(number), NOW - timedelta(hours=number + 1), link))
    return SessionList(Query(None, uid, limit), tuple(sessions))


def texts(message: dict[str, Any]) -> str:
    """All that is shown of a message."""
    return json.dumps(message["blocks"], ensure_ascii=False)


def links(message: dict[str, Any]) -> list[str]:
    """All that can be opened."""
    return re.findall(r"https://[^|^>\"]*", texts(message))


def test_layout() -> None:
    """A heading, the latest with a button, the others a line each, who can see it."""
    message = listing.answer(found(3, limit=3), NOW, RESPONSE_URL)
    header, latest, others, context = message["blocks"]
    assert header["text"]["text"] == "Latest 3 sessions of user-42"
    assert latest["accessory"]["text"]["text"] == "Watch replay"
    assert latest["accessory"]["style"] == "primary"
    assert latest["accessory"]["url"] == "https://app.fullstory.com/ui/ORG/session/00000000"
    assert latest["text"]["text"].endswith("1 hour ago")
    first, second = others["text"]["text"].split("\n")
    assert first == (
        f"• <!date^{int((NOW - timedelta(hours=2)).timestamp())}^{{date_short_pretty}} {{time}}"
        "^https://app.fullstory.com/ui/ORG/session/00000001|2026-11-23 10:00 UTC> · 2 hours ago"
    )
    assert "00000002" in second
    assert "Only you can see this" in context["elements"][0]["text"]
    assert message["response_type"] == "ephemeral"
    assert message["text"] == (
        "Latest 3 sessions of user-42. Latest: 2026-11-23 11:00 UTC, 1 hour ago."
    )


@pytest.mark.parametrize(
    ("count", "limit", "heading"),
    [
        (0, 20, "No sessions of user-42"),
        (1, 20, "1 session of user-42"),
        (1, 1, "Latest session of user-42"),
        (2, 20, "2 sessions of user-42"),
        (20, 20, "Latest 20 sessions of user-42"),
    ],
)
def test_heading(count: int, limit: int, heading: str) -> None:
    """Whose, how many, and whether there may be more."""
    assert (
        listing.answer(found(count, limit=limit), NOW, RESPONSE_URL)["blocks"][0]["text"]["text"]
        == heading
    )


def test_both_identities_are_named() -> None:
    """A union says that it is one."""
    query = Query("jane@example.com", "user-42", 5)
    header = listing.answer(SessionList(query, ()), NOW, RESPONSE_URL)["blocks"][0]
    assert header["text"]["text"] == "No sessions of jane@example.com / user-42"


def test_no_sessions_says_why_that_can_be() -> None:
    """Not a bare "nothing": reasons, and what to try."""
    message = listing.answer(found(0), NOW, RESPONSE_URL)
    assert "another spelling" in texts(message)
    assert "another address or their uid" in texts(message)


def test_unusable_links_are_shown_and_not_linked() -> None:
    """Both as the latest and further down; nothing to press."""
    sessions = tuple(Session("1", str(n), NOW, None) for n in range(2))
    message = listing.answer(SessionList(Query(None, "u", 5), sessions), NOW, RESPONSE_URL)
    assert links(message) == []
    assert "accessory" not in message["blocks"][1]
    assert texts(message).count("no link that is safe to open") == 2


def test_unknown_times_are_said() -> None:
    """The link is there, the time isn't."""
    link = "https://app.fullstory.com/s/1:2"
    sessions = tuple(Session("1", str(n), None, link) for n in range(2))
    message = listing.answer(SessionList(Query(None, "u", 5), sessions), NOW, RESPONSE_URL)
    assert f"<{link}|time unknown>" in texts(message)
    assert len(links(message)) == 2


@pytest.mark.parametrize("link_length", [0, 300, 900, 1300, 1600, 2800])
@pytest.mark.parametrize("uid", ["u" * MAX_UID_LENGTH, "&" * MAX_UID_LENGTH, "😀" * MAX_UID_LENGTH])
def test_a_hundred_sessions_are_one_valid_message(link_length: int, uid: str) -> None:
    """However long the uid and the links; what finds no room is counted."""
    message = listing.answer(found(100, link_length=link_length, uid=uid), NOW, RESPONSE_URL)
    assert invalid_blocks(message) == ""
    assert len(message["blocks"]) <= 50
    assert len(message["blocks"][0]["text"]["text"]) <= 150
    for block in message["blocks"][1:-1]:
        text = block.get("text") or block["elements"][0]
        assert len(text["text"]) <= 3000
    shown = len(links(message))
    if shown < 100:
        assert f"{100 - shown} older sessions didn't fit" in texts(message)
    assert shown == 100 or link_length > 1000


@pytest.mark.parametrize("ampersands", [100, 500, 600, 900])
def test_links_that_grow_when_they_are_escaped(ampersands: int) -> None:
    """Each "&" takes five characters; the section's limit is over those."""
    link = "https://app.fullstory.com/ui?" + "a=1&" * ampersands
    sessions = tuple(Session("1", str(n), NOW, f"{link}{n}") for n in range(5))
    message = listing.answer(SessionList(Query(None, "u", 5), sessions), NOW, RESPONSE_URL)
    assert invalid_blocks(message) == ""


@pytest.mark.parametrize("length", [2801, 3001, 9000])
def test_links_too_long_for_slack(length: int) -> None:
    """They are not cut: that would be another link."""
    message = listing.answer(found(2, link_length=length), NOW, RESPONSE_URL)
    assert invalid_blocks(message) == ""
    assert "too long for Slack" in texts(message)
    assert all(len(link) == length for link in links(message))


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-600, "just now"),
        (59, "just now"),
        (60, "1 minute ago"),
        (3599, "59 minutes ago"),
        (3600, "1 hour ago"),
        (86399, "23 hours ago"),
        (2 * 86400, "2 days ago"),
        (40 * 86400, "1 month ago"),
        (800 * 86400, "2 years ago"),
    ],
)
def test_how_long_ago(seconds: int, said: str) -> None:
    """In one unit, and never in the future."""
    session = Session("1", "2", NOW - timedelta(seconds=seconds), None)
    message = listing.answer(SessionList(Query(None, "u", 5), (session,)), NOW, RESPONSE_URL)
    assert f"· {said} ·" in message["blocks"][1]["text"]["text"]


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=300))
def test_whatever_people_type_stays_text(text: str) -> None:
    """No markup, mention or link comes out of what came in."""
    refused = Refused(Problem.UNCLEAR, text, "jane@example.com")
    messages = [
        notes.refusal(refused, "/fsessions", LIMITS),
        listing.answer(SessionList(Query(None, text, 5), ()), NOW, RESPONSE_URL),
    ]
    for message in messages:
        assert invalid_blocks(message) == ""
        shown = texts(message) + message["text"]
        assert "<" not in shown
        assert ">" not in shown
        assert not re.search(r"&(?!(amp|lt|gt);)", shown)


@pytest.mark.parametrize("command", ["/fsessions", "/fs-staging"])
def test_help_names_the_command_that_was_typed(command: str) -> None:
    """A company may have renamed it."""
    message = notes.help_message(command, Limits(7, 50))
    assert invalid_blocks(message) == ""
    assert f"`{command} jane@example.com`" in texts(message)
    assert "the latest 7 sessions" in texts(message)
    assert "at most 50" in texts(message)


def test_screen_readers_hear_which_session_is_first() -> None:
    """The one in progress is not called the latest."""
    moment = Moment(NOW - timedelta(hours=2, minutes=30), of_message=True)
    query = Query(None, "user-42", 3, moment)
    message = listing.answer(SessionList.of(query, found(5).sessions), NOW, RESPONSE_URL)
    assert message["text"].endswith("In progress then: 2026-11-23 09:00 UTC, 3 hours ago.")


def test_failure_carries_its_reference() -> None:
    """So that an administrator finds the log line."""
    message = notes.failure(KeyRejected(), "ab12cd34")
    assert "(reference ab12cd34)" in texts(message)
    assert "(reference ab12cd34)" in message["text"]


@pytest.mark.parametrize("uid", ["\U0001f600" * 200, "é" * 200, "&" * 200, "x" * 200])
def test_emoji_count_twice(uid: str) -> None:
    """A heading's 150 characters are counted as Slack's clients do: in units of UTF-16."""
    heading = listing.answer(found(1, uid=uid), NOW, RESPONSE_URL)["blocks"][0]["text"]["text"]
    assert len(heading.encode("utf-16-le")) // 2 <= 150
