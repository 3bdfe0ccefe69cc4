"""Every message and view at its worst case, judged by slack_sdk's own models.

Where a limit changes in Slack, slack_sdk learns it; our idea of it is checked against theirs.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.errors import FullstoryError, ProfileProblem, RateLimited, Unavailable
from bot.sandbox.workspace import MAX_POSTED, invalid_blocks, invalid_view
from bot.sessions import MAX_UID_LENGTH, Moment, Query, Session, SessionList
from bot.slack.routes import HELP_LINES
from bot.slack.ui import button_values, listing, notes, pieces, windows, wording
from bot.slack.ui.pieces import POSTED, RESPONSE_URL
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


def all_messages(query: Query, length: int) -> dict[str, dict[str, Any]]:
    """One of each kind."""
    value = button_values.sign(query, "U" * 20, "secret")
    sessions = found(query, length)
    shared = button_values.sign(replace(query, shown=sessions.snapshot(NOW)), "U" * 20, "secret")
    person = query.person
    buttons = listing.Buttons(value, value, shared)
    return {
        "answer": listing.answer(sessions, NOW, RESPONSE_URL, buttons),
        "none": listing.answer(SessionList(query, ()), NOW, RESPONSE_URL, buttons),
        "shared": listing.shared(sessions, NOW, "U" * 20, RESPONSE_URL, named=True),
        "shared unnamed": listing.shared(sessions, NOW, "U" * 20, RESPONSE_URL, named=False),
        "question": listing.share_question(person, "C" * 20, value),
        "question in a direct message": listing.share_question(person, "", value),
        "after sharing": listing.after_sharing(wording.MAYBE_SHARED, value),
        "choice": notes.choice([(person, value)] * 30, RESPONSE_URL),
        "help": notes.help_message("/" + "f" * 31, LIMITS),
        "offer": notes.offer(),
        "posted": posted(query, length),
    }


def posted(query: Query, length: int) -> dict[str, Any]:
    """An answer that does not go to a response_url."""
    value = button_values.sign(query, "U" * 20, "secret")
    shown = found(query, length).snapshot(NOW)
    shared = button_values.sign(replace(query, shown=shown), "U" * 20, "secret")
    buttons = listing.Buttons(value, value, shared)
    return listing.answer(found(query, length), NOW, POSTED, buttons)


@pytest.mark.parametrize("length", [40, 400, 1400, 2800])
def test_posted_messages(query: Query, length: int) -> None:
    """chat.postMessage takes fewer characters in all, values of buttons included."""
    size = len(json.dumps(posted(query, length)["blocks"], ensure_ascii=False))
    assert size <= MAX_POSTED


@pytest.mark.parametrize("length", [40, 400, 1400, 2800, 3001])
def test_messages(query: Query, length: int) -> None:
    """Lookups in all their forms."""
    for kind, message in all_messages(query, length).items():
        assert invalid_blocks(message) == "", kind
        assert len(message["text"]) <= 3000, kind


@pytest.mark.parametrize("length", [40, 1400])
def test_views(query: Query, length: int) -> None:
    """The form and its results."""
    value = button_values.sign(query, "U", "secret")
    messages = [*all_messages(query, length).values(), pieces.note(wording.LOOKING)]
    views = [windows.form(LIMITS), windows.form(LIMITS, wording.NOBODY_IN_MESSAGE, NOW)]
    views += [windows.results(message) for message in messages]
    views.append(
        windows.home([(name, "<#C0>, " * 100) for name, _ in HELP_LINES], "/" + "f" * 31, LIMITS)
    )
    assert [invalid_view(view) for view in views] == [""] * len(views)
    assert len(value) <= 2000


@pytest.mark.parametrize("problem", Problem)
def test_refusals(problem: Problem) -> None:
    """With the longest text that can be shown."""
    refused = Refused(problem, "&" * 2000, f'uid:"{"&" * MAX_UID_LENGTH}"')
    assert invalid_blocks(notes.refusal(refused, "/fsessions", LIMITS)) == ""


def test_other_sentences() -> None:
    """Failures, and what profiles lack."""
    errors: list[FullstoryError] = [RateLimited(10**9), Unavailable(599)]
    messages = [notes.failure(error, "ab12cd34") for error in errors]
    messages += [pieces.note(wording.profile_problem(lack)) for lack in ProfileProblem]
    assert [invalid_blocks(message) for message in messages] == [""] * len(messages)


def test_the_judge_can_say_no() -> None:
    """What is beyond a limit is found."""
    section = {"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3001}}
    assert invalid_blocks({"text": "x", "blocks": [section]})
    assert invalid_blocks({"text": "x", "blocks": [{"type": "divider"}] * 51})
    assert invalid_blocks({"text": "", "blocks": []})
    assert invalid_view(windows.form(LIMITS) | {"title": {"type": "plain_text", "text": "x" * 25}})
