"""What Slack is sent: layout, escaping, limits."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from bot.core.outcomes import Failed, explain
from bot.core.query import Limits, ParseError, Problem, Search
from bot.core.sessions import MAX_UID_LENGTH, Moment, Query, Session, SessionList, replay_at
from bot.core.suggestions import Suggestion, suggest
from bot.errors import Unavailable
from bot.features.answer_buttons import help_modal
from bot.sandbox.workspace import invalid_blocks
from bot.settings import Settings
from bot.slack import answer, messages
from bot.slack.answer import Buttons, Reader
from bot.slack.blocks import MODAL, RESPONSE_URL, Message, bold, header

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
LIMITS = Limits(20, 100)
BUTTONS = Buttons("same", "", "share")


def rendered(found: SessionList, zone: timezone = UTC) -> Message:
    """As in the ack of a command."""
    return answer.answer(found, Reader(NOW, zone), RESPONSE_URL, BUTTONS)


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


def shown_text(message: dict[str, Any]) -> str:
    """All that is shown of a message."""
    return json.dumps(message["blocks"], ensure_ascii=False)


def links(message: dict[str, Any]) -> list[str]:
    """All that can be opened."""
    return re.findall(r"https://[^|^>\"]*", shown_text(message))


def title_of(message: Message) -> str:
    """Return the first lines, without the name."""
    return str(message["blocks"][0]["text"]["text"]).partition("\n")[2]


def items(message: Message) -> list[list[dict[str, Any]]]:
    """Return the pieces of each line of the list."""
    parts = [
        one
        for block in message["blocks"]
        if block["type"] == "rich_text"
        for one in block["elements"]
    ]
    lists = [part["elements"] for part in parts if part["type"] == "rich_text_list"]
    return [item["elements"] for of_day in lists for item in of_day]


def days(message: Message) -> list[str]:
    """Return the fallbacks of the days in the list."""
    parts = [
        one
        for block in message["blocks"]
        if block["type"] == "rich_text"
        for one in block["elements"]
    ]
    return [
        part["elements"][0]["fallback"][:10]
        for part in parts
        if part["type"] == "rich_text_section"
    ]


def test_layout() -> None:
    """Whose and how many; the latest with its button beside it; the others in a list."""
    message = rendered(found(3, limit=3))
    title, latest, others, _ = message["blocks"]
    assert title["text"]["text"] == "*user-42*\nLatest 3 sessions"
    assert latest["accessory"]["text"]["text"] == "Watch replay"
    assert latest["accessory"]["style"] == "primary"
    assert latest["accessory"]["url"] == "https://app.fullstory.com/ui/ORG/session/00000000"
    at = int((NOW - timedelta(hours=1)).timestamp())
    assert latest["text"]["text"] == (
        f"*Latest*\n<!date^{at}^{{date_short_pretty}}, {{time}}|2026-11-23 11:00 UTC>"
        f"  ·  <!date^{at}^{{ago}}|2026-11-23 11:00 UTC>"
    )
    heading, bullets = others["elements"]
    assert heading["elements"][0]["format"] == "{day_divider_pretty}"
    assert (bullets["type"], bullets["style"]) == ("rich_text_list", "bullet")
    assert items(message)[0] == [
        {
            "type": "date",
            "timestamp": at - 3600,
            "format": "{time} · {ago}",
            "fallback": "2026-11-23 10:00 UTC",
            "url": "https://app.fullstory.com/ui/ORG/session/00000001",
        }
    ]
    assert message["response_type"] == "ephemeral"
    assert message["text"] == "Latest 3 sessions of user-42. Latest: 2026-11-23 11:00 UTC."
    assert "Only" not in shown_text(message)  # Slack says by itself who sees it


@pytest.mark.parametrize(
    ("count", "limit", "said"),
    [
        (1, 20, "1 session"),
        (1, 1, "Latest session"),
        (2, 20, "2 sessions"),
        (20, 20, "Latest 20 sessions"),
    ],
)
def test_how_many(count: int, limit: int, said: str) -> None:
    """And whether there may be more."""
    assert title_of(rendered(found(count, limit=limit))) == said


def test_both_identities_are_named() -> None:
    """A union says that it is one."""
    query = Query("jane@example.com", "user-42", 5)
    title = rendered(SessionList(query, ()))["blocks"][0]["text"]["text"]
    assert title.startswith("No sessions found for *jane@example.com / user-42*")


@pytest.mark.parametrize(
    ("hours_east", "expected"),
    [
        (0, ["2026-11-23", "2026-11-22"]),
        (9, ["2026-11-23"]),  # 15:00 UTC of the day before is midnight
        (-11, ["2026-11-23", "2026-11-22"]),
    ],
)
def test_days_are_the_readers(hours_east: int, expected: list[str]) -> None:
    """Sessions stand under the days they were on for who reads."""
    zone = timezone(timedelta(hours=hours_east))
    message = rendered(found(21), zone)
    of_day = {
        (NOW - timedelta(hours=number + 1)).astimezone(zone).date() for number in range(1, 21)
    }
    assert len(days(message)) == len(of_day)
    assert days(message)[: len(expected)] == expected[: len(days(message))]


def test_how_long_ago_stays_true() -> None:
    """Slack counts it; from a day on, the day says it."""
    formats = [item[0]["format"] for item in items(rendered(found(30)))]
    assert formats[:22] == ["{time} · {ago}"] * 22
    assert set(formats[23:]) == {"{time}"}
    assert "hours ago" not in shown_text(rendered(found(30)))


def test_no_sessions() -> None:
    """Not a bare "nothing"."""
    message = rendered(found(0))
    assert "another address or uid" in shown_text(message)
    assert message["text"].startswith("No sessions found for user-42.")


@pytest.mark.parametrize(
    ("uid", "suggestion"),
    [
        ("hepl", Suggestion.HELP),
        ("Hlep", Suggestion.HELP),
        ("janeexample.com", Suggestion.ADDRESS_WITHOUT_AT),
        ("banana", Suggestion.WORD),
        ("user-42", None),
        ("12345", None),
        ("a1b2.c3", None),
    ],
)
def test_slips(uid: str, suggestion: Suggestion | None) -> None:
    """What was perhaps meant."""
    assert suggest(Query(None, uid, 5)) is suggestion
    assert suggest(Query("jane@example.com", uid, 5)) is None


class TestMoment:
    """Where it is known when something happened."""

    LINK = "https://app.fullstory.com/ui/ORG/session/1:2"

    def at(self, minutes: int, *, of_message: bool, link: str = LINK) -> SessionList:
        """Two sessions, the older one so many minutes before the moment."""
        moment = Moment(NOW - timedelta(hours=2), of_message)
        started = moment.time - timedelta(minutes=minutes)
        sessions = [Session("1", "3", NOW - timedelta(hours=1), None)]
        sessions.append(Session("1", "2", started, link))
        return SessionList.of(Query(None, "user-42", 5, moment), sessions).with_replay()

    def test_of_a_message(self) -> None:
        """The one that matters first, and how long before; and that it is a guess."""
        message = rendered(self.at(12, of_message=True))
        first = message["blocks"][1]["text"]["text"]
        assert first.startswith(":dart: *Closest before this message*\n<!date^")
        assert first.endswith("  ·  started 12 min before")
        assert "Closest before this message: 2026-11-23 09:48 UTC" in message["text"]

    def test_of_a_typed_time(self) -> None:
        """Which time it was is said."""
        first = rendered(self.at(82, of_message=False))["blocks"][1]["text"]["text"]
        assert first.startswith(":dart: *Probably this one*")
        assert "started 1 h 22 min before <!date^" in first

    def test_the_replay_opens_there(self) -> None:
        """Half a minute before; a smaller link opens it from its beginning."""
        message = rendered(self.at(12, of_message=True))
        moment = NOW - timedelta(hours=2, seconds=30)
        opens = f"{self.LINK}:{int(moment.timestamp() * 1000)}"
        assert message["blocks"][1]["accessory"]["url"] == opens
        assert message["blocks"][2]["elements"][0]["text"] == (
            f"<{self.LINK}|Watch from the start>"
        )

    def test_a_link_of_another_shape(self) -> None:
        """Nothing is added to it."""
        link = "https://app.fullstory.com/s/1:2"
        message = rendered(self.at(12, of_message=True, link=link))
        assert message["blocks"][1]["accessory"]["url"] == link
        assert links(message) == [link]

    @pytest.mark.parametrize(
        ("link", "takes_it"),
        [
            ("https://app.fullstory.com/ui/ORG/session/1:2", True),
            ("https://app.eu1.fullstory.com/ui/o-1A-eu1/session/1%3A2", True),
            ("https://www.fullstory.com/ui/ORG/discover/session/12:34", True),
            ("https://app.fullstory.com/ui/ORG/session/1:2:3", False),
            ("https://app.fullstory.com/ui/ORG/session/1:2/", False),
            ("https://app.fullstory.com/ui/ORG/session/1:2?x=1", False),
            ("https://app.fullstory.com/ui/ORG/session/12", False),
            ("https://app.fullstory.com/s/1:2", False),
        ],
    )
    def test_known_shapes(self, link: str, takes_it: bool) -> None:  # noqa: FBT001
        """The colon is spelt as the one inside; what isn't known is left alone."""
        session = Session("1", "2", NOW - timedelta(hours=1), link)
        colon = "%3A" if "%3A" in link else ":"
        expected = f"{link}{colon}{int(NOW.timestamp() - 30) * 1000}" if takes_it else None
        assert replay_at(session, NOW) == expected

    def test_after_a_part_of_the_day_its_end_is_named(self) -> None:
        """The morning ends at noon: three minutes after that is not after six."""
        start = NOW.replace(hour=6)
        query = Query(None, "u", 5, Moment(start, of_message=False, span=timedelta(hours=6)))
        session = Session("1", "2", start + timedelta(hours=6, minutes=3), self.LINK)
        first = rendered(SessionList.of(query, [session]))["blocks"][1]["text"]["text"]
        noon = int((start + timedelta(hours=6)).timestamp())
        assert f"started 3 min after <!date^{noon}^" in first

    def test_never_before_its_beginning(self) -> None:
        """A session that began just before the moment opens where it begins."""
        session = Session("1", "2", NOW - timedelta(seconds=5), self.LINK)
        assert str(replay_at(session, NOW)).endswith(f":{int(NOW.timestamp() - 5) * 1000}")


def test_unusable_links_are_shown_and_not_linked() -> None:
    """Both as the latest and further down; nothing to press."""
    sessions = tuple(Session("1", str(n), NOW, None) for n in range(2))
    message = rendered(SessionList(Query(None, "u", 5), sessions))
    assert links(message) == []
    assert "accessory" not in message["blocks"][1]
    assert shown_text(message).count("no link that is safe to open") == 2


def test_unknown_times_are_said() -> None:
    """The link is there, the time isn't."""
    link = "https://app.fullstory.com/s/1:2"
    sessions = tuple(Session("1", str(n), None, link) for n in range(2))
    message = rendered(SessionList(Query(None, "u", 5), sessions))
    assert {"type": "link", "url": link, "text": "time unknown"} in items(message)[0]
    assert len(links(message)) == 2


@pytest.mark.parametrize("link_length", [0, 300, 900, 1300, 1600, 2800])
@pytest.mark.parametrize("uid", ["u" * MAX_UID_LENGTH, "&" * MAX_UID_LENGTH, "😀" * MAX_UID_LENGTH])
def test_a_hundred_sessions_are_one_valid_message(link_length: int, uid: str) -> None:
    """However long the uid and the links; what finds no room is counted."""
    message = rendered(found(100, link_length=link_length, uid=uid))
    assert invalid_blocks(message) == ""
    assert len(message["blocks"]) <= 50
    assert len(message["blocks"][0]["text"]["text"]) <= 700
    for block in message["blocks"]:
        assert len(json.dumps(block, ensure_ascii=False)) <= 9_500
    shown = len(links(message))
    if shown < 100:
        assert f"{100 - shown} older sessions didn't fit" in shown_text(message)
    assert shown == 100 or link_length > 1000


@pytest.mark.parametrize("ampersands", [100, 500, 600, 900])
def test_links_that_grow_when_they_are_escaped(ampersands: int) -> None:
    """Each "&" takes five characters; the section's limit is over those."""
    link = "https://app.fullstory.com/ui?" + "a=1&" * ampersands
    sessions = tuple(Session("1", str(n), NOW, f"{link}{n}") for n in range(5))
    message = rendered(SessionList(Query(None, "u", 5), sessions))
    assert invalid_blocks(message) == ""


@pytest.mark.parametrize("length", [2801, 3001, 9000])
def test_links_too_long_for_slack(length: int) -> None:
    """They are not cut: that would be another link."""
    message = rendered(found(2, link_length=length))
    assert invalid_blocks(message) == ""
    assert "too long for Slack" in shown_text(message)
    assert all(len(link) == length for link in links(message))


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=300))
def test_whatever_people_type_stays_text(text: str) -> None:
    """No markup, mention or link comes out of what came in."""
    refused = ParseError(Problem.UNCLEAR, text, Search(None, text, 5), text)
    rendered_messages = [
        messages.parse_error(refused, LIMITS, "search", "edit"),
        rendered(SessionList(Query(None, text, 5), ())),
    ]
    for message in rendered_messages:
        assert invalid_blocks(message) == ""
        shown = shown_text(message) + message["text"]
        assert "<" not in shown
        assert ">" not in shown
        assert not re.search(r"&(?!(amp|lt|gt);)", shown)


@pytest.mark.parametrize("command", ["/fsessions", "/fs-staging"])
def test_help_names_the_command_that_was_typed(command: str) -> None:
    """A company may have renamed it."""
    message = messages.help_message(command, Limits(7, 50))
    assert invalid_blocks(message) == ""
    assert f"`{command} jane@example.com`" in shown_text(message)
    assert "the latest 7 sessions" in shown_text(message)
    assert shown_text(message).count(f"`{command}") == 3


@pytest.mark.parametrize(
    ("hours", "said"), [(12, "for 12 hours, for you alone"), (1, "for 1 hour,"), (0, "")]
)
def test_help_says_how_long_lookups_are_kept(hours: int, said: str) -> None:
    """As the settings do; nothing if they are not kept."""
    settings = Settings(fullstory_api_key=SecretStr("key"), recent_hours=hours)
    shown = json.dumps(help_modal("/fsessions", settings))
    assert "at most 100" in shown
    assert said in shown
    assert ("latest lookups" in shown) == bool(hours)


@pytest.mark.parametrize("contact", ["", "<@U0ADMIN1>", "ask <b>Bob</b>"])
def test_failures(contact: str) -> None:
    """What happened, who to tell, and the reference that is also in the log."""
    message = messages.problem(explain(Failed(Unavailable(), "ab12cd34")), contact, "value")
    first, again, last = message["blocks"]
    assert first["text"]["text"].startswith(":warning: *I can't reach Fullstory")
    assert "{contact}" not in shown_text(message)
    assert ("<@U0ADMIN1>" in shown_text(message)) == (contact == "<@U0ADMIN1>")
    assert "<b>" not in shown_text(message)
    assert again["elements"][0]["text"]["text"] == "Try again"
    assert "ab12cd34" in last["elements"][0]["text"]
    assert "(reference ab12cd34)" in message["text"]


@pytest.mark.parametrize("text", ["\U0001f600" * 200, "é" * 200, "&" * 200, "x" * 200])
def test_emoji_count_twice(text: str) -> None:
    """A heading's 150 characters are counted as Slack's clients do: in units of UTF-16."""
    heading = header(text)["text"]["text"]
    assert len(heading.encode("utf-16-le")) // 2 <= 150


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("jane@example.com", "*jane@example.com*"),
        ("*a*", "`*a*`"),
        ("a:b", "`a:b`"),
        ("a`", "`a'`"),
    ],
)
def test_names_in_bold(text: str, expected: str) -> None:
    """Or as code, where Slack would take a sign in them for markup."""
    assert bold(text) == expected


def test_a_window_of_long_links_fits() -> None:
    """Slack takes views of 250 KB."""
    message = answer.answer(found(100, link_length=2_600), Reader(NOW), MODAL, BUTTONS)
    assert len(shown_text(message)) < 250_000
    assert "didn't fit" in shown_text(message)
