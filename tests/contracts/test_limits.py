"""Every message and view at its worst case, judged by slack_sdk's own models.

Where a limit changes in Slack, slack_sdk learns it; our idea of it is checked against theirs.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.errors import FullstoryError, KeyRejected, ProfileProblem, RateLimited, Unavailable
from bot.sandbox.workspace import MAX_POSTED, invalid_blocks, invalid_view
from bot.sessions import MAX_UID_LENGTH, Moment, Query, Session, SessionList
from bot.slack.routes import HELP_LINES
from bot.slack.ui import button_values, listing, notes, pieces, windows, wording
from bot.slack.ui.listing import Reader
from bot.slack.ui.pieces import DIRECT, POSTED, RESPONSE_URL
from bot.typed.query import Limits, Problem, Refused

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
LIMITS = Limits(100, 100)
LONGEST = {
    "letters": "u" * MAX_UID_LENGTH,
    "quotes": '"' * MAX_UID_LENGTH,
    "entities": "&" * MAX_UID_LENGTH,
    "emoji": "😀" * MAX_UID_LENGTH,
}
EMAIL = f"{'j' * 64}@{'example.' * 23}com"


@pytest.fixture(params=LONGEST)
def query(request: pytest.FixtureRequest) -> Query:
    """The longest e-mail and the longest uid."""
    moment = Moment(NOW - timedelta(hours=5), of_message=False)
    return Query(EMAIL, LONGEST[request.param], 100, moment)


def found(query: Query, length: int) -> SessionList:
    """A hundred sessions with links of some length."""
    start = "https://app.fullstory.com/ui/"
    sessions = [
        Session("1", str(n), NOW - timedelta(hours=n), (start + f"{n:03}").ljust(length, "x"))
        for n in range(100)
    ]
    return SessionList.of(query, sessions)


READER = Reader(NOW)


def all_messages(query: Query, length: int) -> dict[str, dict[str, Any]]:
    """One of each kind."""
    sessions = found(query, length).with_replay()
    values = buttons(sessions)
    person, value, failed = query.person, values.same, wording.failure(KeyRejected())
    return {
        "answer": listing.answer(sessions, READER, RESPONSE_URL, values),
        "shared answer": listing.answer(sessions, READER, RESPONSE_URL, values, "<#C0CHANNEL>"),
        "none": listing.answer(SessionList(query, ()), READER, RESPONSE_URL, values),
        "shared": listing.shared(sessions, READER, "U" * 20, RESPONSE_URL, named=True),
        "shared unnamed": listing.shared(sessions, READER, "U" * 20, RESPONSE_URL, named=False),
        "choice": notes.choice([(person, value)] * 10, 30, RESPONSE_URL),
        "trouble": notes.trouble(failed, "x" * 200, "ab12cd34", value),
        "help": notes.help_message("/" + "f" * 31, LIMITS),
        "offer": notes.offer(100),
        "posted": listing.answer(sessions, READER, POSTED, values),
        "direct": listing.answer(sessions, READER, DIRECT, values),
        "posted choice": notes.choice([(person, value)] * 10, 30, POSTED),
    }


def buttons(sessions: SessionList) -> listing.Buttons:
    """The values of an answer's buttons."""
    query = sessions.query
    value = button_values.sign(query, "U" * 20, "secret")
    share = button_values.sign(replace(query, shown=sessions.snapshot(NOW)), "U" * 20, "secret")
    return listing.Buttons(value, value, share)


@pytest.mark.parametrize("length", [40, 400, 1400, 2800])
def test_posted_messages(query: Query, length: int) -> None:
    """chat.postMessage takes fewer characters in all, values of buttons included."""
    messages = all_messages(query, length)
    for kind in ("posted", "direct", "posted choice"):
        size = len(json.dumps(messages[kind]["blocks"], ensure_ascii=False))
        assert size <= MAX_POSTED, kind


@pytest.mark.parametrize("length", [40, 400, 1400, 2800, 3001])
def test_messages(query: Query, length: int) -> None:
    """Lookups in all their forms."""
    for kind, message in all_messages(query, length).items():
        assert invalid_blocks(message) == "", kind
        assert len(message["text"]) <= 3000, kind


@pytest.mark.parametrize("length", [40, 1400])
def test_views(query: Query, length: int) -> None:
    """The form and its results, sharing, help and the Home."""
    sessions = found(query, length)
    messages = [*all_messages(query, length).values(), pieces.note(wording.LOOKING)]
    entries = [listing.time_in_words(one, READER) for one in sessions.sessions]
    metadata = button_values.seal("x" * 200 + buttons(sessions).share, "U" * 20, "secret")
    views = [
        windows.form(LIMITS),
        windows.form(LIMITS, wording.NOBODY_IN_MESSAGE, NOW, query.person),
        *(windows.results(message) for message in messages),
        windows.share_form(entries, query.person, metadata, in_thread=True),
        windows.help_window("/" + "f" * 31, LIMITS),
        windows.why_window(),
        windows.note_window(wording.SHARE_TITLE, wording.SESSIONS_CHANGED),
        windows.home([(name, "<#C0>, " * 100) for name, _ in HELP_LINES]),
    ]
    assert [invalid_view(view) for view in views] == [""] * len(views)
    assert len(buttons(sessions).share) <= 2000
    assert len(metadata) <= 3000


@pytest.mark.parametrize("problem", Problem)
def test_refusals(problem: Problem) -> None:
    """With the longest text that can be shown."""
    refused = Refused(problem, "&" * 2000, f'uid:"{"&" * MAX_UID_LENGTH}"')
    assert invalid_blocks(notes.refusal(refused, "/fsessions", LIMITS)) == ""


def test_other_sentences() -> None:
    """Failures, and what profiles lack."""
    errors: list[FullstoryError] = [RateLimited(10**9), Unavailable(599)]
    messages = [notes.trouble(wording.failure(one), "", "ab12cd34") for one in errors]
    messages += [pieces.note(wording.profile_problem(lack)) for lack in ProfileProblem]
    assert [invalid_blocks(message) for message in messages] == [""] * len(messages)


def test_the_judge_can_say_no() -> None:
    """What is beyond a limit is found."""
    section = {"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3001}}
    assert invalid_blocks({"text": "x", "blocks": [section]})
    assert invalid_blocks({"text": "x", "blocks": [{"type": "divider"}] * 51})
    assert invalid_blocks({"text": "", "blocks": []})
    assert invalid_view(windows.form(LIMITS) | {"title": {"type": "plain_text", "text": "x" * 25}})
