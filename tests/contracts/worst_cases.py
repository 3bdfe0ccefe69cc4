"""Every message and view at its worst: the longest person, the longest links, the most of each."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from pydantic import SecretStr

from bot.core.access import Actor, DenialReason, EntryPoint
from bot.core.audit import AuditEvent
from bot.core.no_sessions import KnownUser, Quota
from bot.core.outcomes import Failed, explain
from bot.core.query import Limits, ParseError, Problem, Search
from bot.core.sessions import MAX_UID_LENGTH, Moment, Query, Session, SessionList
from bot.core.story import Event, Excerpt, Story, Window, clean, path_of, tell
from bot.core.story_words import bug_report
from bot.errors import FullstoryError, ProfileProblem, RateLimited, Unavailable
from bot.features import HELP_LINES, audit_log, insight
from bot.features import home as home_feature
from bot.features import share as share_feature
from bot.features.answer_buttons import help_modal
from bot.features.message_shortcut import NO_ONE_FOUND
from bot.features.no_sessions import ASKING, about_organization, about_quota, about_user, why_modal
from bot.features.share import form as share_form
from bot.features.ticket_offers import offer
from bot.settings import Settings
from bot.slack import answer, blocks, messages, sharing, texts
from bot.slack.answer import Reader
from bot.slack.blocks import DIRECT, POSTED, RESPONSE_URL
from bot.slack.recents import MAX_RECENTS, Recent
from bot.slack.search_modal import search_form
from bot.slack.signing import Kind, Signer, insight_text, text_of

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


def facts(query: Query) -> list[str]:
    """Return the longest facts about a person without sessions."""
    user = KnownUser(10**9, NOW, is_being_deleted=False)
    return [
        about_user(user, query.uid or ""),
        about_quota(Quota(10**12, 10**12, NOW)),
        about_organization("&" * 200, "EU data center"),
    ]


def query_of(uid: str) -> Query:
    """Return the longest e-mail, and one of the longest uids."""
    moment = Moment(NOW - timedelta(hours=5), of_message=False)
    return Query(EMAIL, uid, 100, moment)


def found(query: Query, length: int) -> SessionList:
    """Return a hundred sessions with links of some length, of which replays can be made."""
    start = "https://app.fullstory.com/ui/X/session/1:"
    sessions = [
        Session("1", str(n), NOW - timedelta(hours=n), f"{start}{n:03}".ljust(length, "1"))
        for n in range(100)
    ]
    return SessionList.of(query, sessions)


READER = Reader(NOW)
SETTINGS = Settings(fullstory_api_key=SecretStr("key"))
SIGNER = Signer([b"key"], lambda: NOW)


def all_messages(query: Query, length: int) -> dict[str, dict[str, Any]]:
    """One of each kind."""
    sessions = found(query, length).with_replay()
    values = buttons(sessions)
    person, value = query.person, values.same
    failed = explain(Failed(Unavailable(), "ab12cd34"))
    return {
        "answer": answer.answer(sessions, READER, RESPONSE_URL, values),
        "shared answer": answer.answer(sessions, READER, RESPONSE_URL, values, "<#C0CHANNEL>"),
        "none": answer.answer(SessionList(query, ()), READER, RESPONSE_URL, values),
        "shared": answer.shared(sessions, NOW, "U" * 20, RESPONSE_URL, named=True),
        "shared unnamed": answer.shared(sessions, NOW, "U" * 20, RESPONSE_URL, named=False),
        "choice": messages.choice([(person, value)] * 10, 30, RESPONSE_URL),
        "trouble": messages.problem(failed, "x" * 200, value),
        "help": messages.help_message("/" + "f" * 31, LIMITS),
        "offer": offer(100),
        "refused": messages.access_denied(
            DenialReason.NOT_HERE, "x" * 200, ["C" * 12] * 100, value
        ),
        "audit entries": audit_log.entries(person, [EVENT] * 30, has_more=True),
        "posted": answer.answer(sessions, READER, POSTED, values),
        "direct": answer.answer(sessions, READER, DIRECT, values),
        "insight": insight_message(query, length),
        "bug report": insight.report.posted("&" * 3000, "U" * 20),
        "posted choice": messages.choice([(person, value)] * 10, 30, POSTED),
    }


def buttons(sessions: SessionList) -> answer.Buttons:
    """Return the values of an answer's buttons."""
    query = sessions.query
    value = SIGNER.sign_query(query, "U" * 20)
    shown = replace(query, shown=sessions.snapshot(NOW))
    share = SIGNER.sign_query(shown, "U" * 20, Kind.SHARE)
    insight = SIGNER.sign(insight_text(IDS, shown), "U" * 20, Kind.INSIGHT)
    return answer.Buttons(value, value, share, insight=insight)


IDS: Final = "1" * 400


def insight_message(query: Query, length: int) -> dict[str, Any]:
    """Return the longest story that Fullstory can tell."""
    session = found(query, length).sessions[0]
    window = Window(NOW - timedelta(hours=1), NOW)
    row = insight.view.button_row(
        *((f"insight:{n}", "x" * 75, buttons(found(query, length)).insight) for n in range(5))
    )
    moment = Moment(NOW, of_message=True)
    return insight.view.render_story(story(query), session, window, moment, NOW, row, links=True)


def story(query: Query) -> Story:
    """Return two hundred events, each of which is a page of its own and goes wrong."""
    said, other = clean(query.person), clean(str(query.uid))
    events = [
        Event("click" if n % 2 else "exception", NOW, path_of(f"/{n}{query.uid}"), said)
        for n in range(200)
    ]
    return tell(Excerpt(events, is_cut=True, browser=other, system=other))


def report_form(query: Query, length: int) -> dict[str, Any]:
    """Return the longest report."""
    session = found(query, length).sessions[0]
    text = bug_report(story(query), session, None, links=True)
    return insight.report.form(text, sharing.Places.ANY_CHANNEL, report_metadata(query, length))


def report_metadata(query: Query, length: int) -> str:
    """Return what the preview of a bug report remembers."""
    shown = replace(query, shown=found(query, length).snapshot(NOW))
    actor = Actor("T" * 12, "U" * 12, EntryPoint.SHARE, "C" * 12)
    text = f"{json.dumps(sharing.origin_of(PRESS, actor))}\n{insight_text(IDS, shown)}"
    return SIGNER.sign(text, "U" * 12, Kind.REPORT_FORM)


PRESS: Final = {
    "response_url": "https://hooks.slack.com/actions/" + "x" * 120,
    "container": {"message_ts": "1" * 17, "thread_ts": "1" * 17, "is_ephemeral": True},
}


def metadata(sessions: SessionList) -> str:
    """Return what the window for sharing remembers."""
    actor = Actor("T" * 12, "U" * 12, EntryPoint.SHARE, "C" * 12)
    text = f"{json.dumps(sharing.origin_of(PRESS, actor))}\n{buttons(sessions).share}"
    return SIGNER.sign(text, "U" * 12, Kind.SHARE_FORM)


def views(query: Query, length: int) -> dict[str, dict[str, Any]]:
    """Return the form and its results, sharing, help and the Home."""
    sessions = found(query, length)
    entries = [answer.time_in_words(one, READER) for one in sessions.sessions]
    ways = [(name, "<#C0>, " * 100) for name, _ in HELP_LINES]
    shown = all_messages(query, length) | {"looking": blocks.note(texts.LOOKING)}
    return {
        "form": search_form(LIMITS),
        "form that asks": search_form(LIMITS, NO_ONE_FOUND, NOW, query.person),
        **{f"results: {kind}": messages.in_modal(message) for kind, message in shown.items()},
        "share": share_form.share_form(
            entries, query.person, metadata(sessions), places=sharing.Places.ANY_CHANNEL
        ),
        "insight": insight.view.in_insight_modal(insight_message(query, length), "m" * 3000),
        "bug report": report_form(query, length),
        "help": help_modal("/" + "f" * 31, SETTINGS),
        "why": why_modal([ASKING], facts(query)),
        "note": blocks.modal(
            share_form.TITLE, blocks.note(share_feature.SESSIONS_CHANGED)["blocks"]
        ),
        "home": home_feature.home(ways),
        "home of an auditor": home_feature.home(ways, ["C" * 12] * 100, is_auditor=True),
        "home with recent lookups": home_feature.home(ways, recents=recents(query)),
        "home refused": home_feature.home_denied(shown["refused"], is_auditor=True),
        "audit": audit_log.audit_form(),
        "who looked": audit_log.audit_modal(shown["audit entries"]),
    }


def recents(query: Query) -> list[dict[str, Any]]:
    """Return as many recent lookups as the Home shows."""
    recent = Recent(NOW.timestamp(), text_of(query))
    return home_feature.recent_lookups([recent] * MAX_RECENTS, SIGNER, "U" * 20)


def sentences() -> dict[str, dict[str, Any]]:
    """Refusals with the longest text that can be shown, failures, and what profiles lack."""
    errors: list[FullstoryError] = [RateLimited(10**9), Unavailable(599)]
    meant, value = Search(None, "&" * MAX_UID_LENGTH, 100), "v" * 2000
    return {
        **{
            f"refused: {problem.name}": messages.parse_error(
                ParseError(problem, "&" * 2000, meant), LIMITS, value, value
            )
            for problem in Problem
        },
        **{
            f"failed: {type(error).__name__}": messages.problem(
                explain(Failed(error, "ab12cd34")), ""
            )
            for error in errors
        },
        **{
            f"profile: {lack.name}": blocks.note(texts.profile_problem(lack))
            for lack in ProfileProblem
        },
    }
