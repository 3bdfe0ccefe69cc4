"""Every message and view at its worst: the longest person, the longest links, the most of each."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from bot.errors import FullstoryError, KeyRejected, ProfileProblem, RateLimited, Unavailable
from bot.lookup.access import Actor, EntryPoint, Refusal
from bot.lookup.events import AuditEvent
from bot.sessions import MAX_UID_LENGTH, Moment, Query, Session, SessionList
from bot.slack.entry_points.share import origin
from bot.slack.routes import HELP_LINES
from bot.slack.ui import button_values, listing, notes, pieces, windows, wording
from bot.slack.ui.button_values import Kind
from bot.slack.ui.listing import Reader
from bot.slack.ui.pieces import DIRECT, POSTED, RESPONSE_URL
from bot.typed.query import Limits, Problem, Refused

NOW: Final = datetime(2026, 11, 23, 12, tzinfo=UTC)
LIMITS: Final = Limits(100, 100)
LONGEST: Final = {
    "letters": "u" * MAX_UID_LENGTH,
    "quotes": '"' * MAX_UID_LENGTH,
    "entities": "&" * MAX_UID_LENGTH,
    "emoji": "😀" * MAX_UID_LENGTH,
}
EMAIL: Final = f"{'j' * 64}@{'example.' * 23}com"


EVENT: Final = AuditEvent(
    "e" * 32,
    NOW,
    "T" * 12,
    "U" * 100,
    "message shortcut",
    "C" * 100,
    "w" * 80,
    "found",
    "",
    "email and uid",
    "0" * 64,
    "0" * 64,
    100,
    10_000,
    "ab12cd34",
)


def query_of(uid: str) -> Query:
    """The longest e-mail, and one of the longest uids."""
    moment = Moment(NOW - timedelta(hours=5), of_message=False)
    return Query(EMAIL, uid, 100, moment)


def found(query: Query, length: int) -> SessionList:
    """A hundred sessions with links of some length, of which replays can be made."""
    start = "https://app.fullstory.com/ui/X/session/1:"
    sessions = [
        Session("1", str(n), NOW - timedelta(hours=n), f"{start}{n:03}".ljust(length, "1"))
        for n in range(100)
    ]
    return SessionList.of(query, sessions)


READER = Reader(NOW)


def messages(query: Query, length: int) -> dict[str, dict[str, Any]]:
    """One of each kind."""
    sessions = found(query, length).with_replay()
    values = buttons(sessions)
    person, value, failed = query.person, values.same, wording.failure(KeyRejected())
    return {
        "answer": listing.answer(sessions, READER, RESPONSE_URL, values),
        "shared answer": listing.answer(sessions, READER, RESPONSE_URL, values, "<#C0CHANNEL>"),
        "none": listing.answer(SessionList(query, ()), READER, RESPONSE_URL, values),
        "shared": listing.shared(sessions, NOW, "U" * 20, RESPONSE_URL, named=True),
        "shared unnamed": listing.shared(sessions, NOW, "U" * 20, RESPONSE_URL, named=False),
        "choice": notes.choice([(person, value)] * 10, 30, RESPONSE_URL),
        "trouble": notes.trouble(failed, "x" * 200, "ab12cd34", value),
        "help": notes.help_message("/" + "f" * 31, LIMITS),
        "offer": notes.offer(100),
        "refused": notes.refused(Refusal.NOT_HERE, "x" * 200, ["C" * 12] * 100, value),
        "audit entries": notes.audit_entries(person, [EVENT] * 30, more=True),
        "posted": listing.answer(sessions, READER, POSTED, values),
        "direct": listing.answer(sessions, READER, DIRECT, values),
        "posted choice": notes.choice([(person, value)] * 10, 30, POSTED),
    }


def buttons(sessions: SessionList) -> listing.Buttons:
    """The values of an answer's buttons."""
    query = sessions.query
    value = button_values.sign(query, "U" * 20, b"key", NOW)
    shown = replace(query, shown=sessions.snapshot(NOW))
    share = button_values.sign(shown, "U" * 20, b"key", NOW, Kind.SHARE)
    return listing.Buttons(value, value, share)


def metadata(sessions: SessionList) -> str:
    """What the window for sharing remembers."""
    body = {
        "response_url": "https://hooks.slack.com/actions/" + "x" * 120,
        "container": {"message_ts": "1" * 17, "thread_ts": "1" * 17, "is_ephemeral": True},
    }
    actor = Actor("T" * 12, "U" * 12, EntryPoint.SHARE, "C" * 12)
    text = origin(buttons(sessions).share, body, actor)
    return button_values.seal(text, "U" * 12, b"key", NOW, Kind.SHARE_FORM)


def views(query: Query, length: int) -> dict[str, dict[str, Any]]:
    """The form and its results, sharing, help and the Home."""
    sessions = found(query, length)
    entries = [listing.time_in_words(one, READER) for one in sessions.sessions]
    ways = [(name, "<#C0>, " * 100) for name, _ in HELP_LINES]
    shown = messages(query, length) | {"looking": pieces.note(wording.LOOKING)}
    return {
        "form": windows.form(LIMITS),
        "form that asks": windows.form(LIMITS, wording.NOBODY_IN_MESSAGE, NOW, query.person),
        **{f"results: {kind}": windows.results(message) for kind, message in shown.items()},
        "share": windows.share_form(entries, query.person, metadata(sessions), in_thread=True),
        "help": windows.help_window("/" + "f" * 31, LIMITS),
        "why": windows.why_window(),
        "note": windows.note_window(wording.SHARE_TITLE, pieces.note(wording.SESSIONS_CHANGED)),
        "home": windows.home(ways),
        "home of an auditor": windows.home(ways, ["C" * 12] * 100, is_auditor=True),
        "home refused": windows.home_refused(shown["refused"], is_auditor=True),
        "audit": windows.audit_form(),
        "who looked": windows.audit_window(shown["audit entries"]),
    }


def sentences() -> dict[str, dict[str, Any]]:
    """Refusals with the longest text that can be shown, failures, and what profiles lack."""
    errors: list[FullstoryError] = [RateLimited(10**9), Unavailable(599)]
    example = f'uid:"{"&" * MAX_UID_LENGTH}"'
    return {
        **{
            f"refused: {problem.name}": notes.refusal(
                Refused(problem, "&" * 2000, example), "/fsessions", LIMITS
            )
            for problem in Problem
        },
        **{
            f"failed: {type(error).__name__}": notes.trouble(wording.failure(error), "", "ab12cd34")
            for error in errors
        },
        **{
            f"profile: {lack.name}": pieces.note(wording.profile_problem(lack))
            for lack in ProfileProblem
        },
    }
