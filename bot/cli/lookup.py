"""`fsessions lookup`: the same lookup without Slack."""

from __future__ import annotations

import asyncio
import json
import shlex
import sys
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

import click

from bot.cli.user import system_user
from bot.connections import open_connections
from bot.core.access import Access, Actor, DenialReason, EntryPoint, Rules
from bot.core.audit import Audit
from bot.core.insight import Insight, Insights, Told, explain_no_insight
from bot.core.lookup import Lookup
from bot.core.outcomes import Found, Outcome, explain
from bot.core.query import (
    Help,
    ParseError,
    Problem,
    Search,
    Several,
    parse_limit,
    typed_form,
)
from bot.core.sessions import Query, Session, SessionList
from bot.core.story import Event, Story, Window, tell
from bot.core.story_words import bug_report, overview
from bot.core.times import LocalZone, UnclearTime, parse_moments
from bot.features.no_sessions import NO_SESSIONS, REASONS
from bot.fullstory.client import FullstoryClient, client_of
from bot.settings import Settings
from bot.slack import texts
from bot.slack.blocks import escape
from bot.slack.lookups import found_as
from bot.slack.typed_text import parse
from bot.store.memory import InMemory
from bot.store.stores import audit_of, open_stores
from bot.timeouts import Timeouts

NO_MENTIONS: Final = (
    "The terminal doesn't know the people of your Slack workspace. Please give the e-mail address "
    "or the uid."
)
_PROGRESS_AFTER: Final = 0.5  # seconds


async def run(
    settings: Settings, person: str, limit: str | None, *, as_json: bool, what_happened: bool
) -> int:
    """Print the sessions, and return the exit code: 0, 1 for a failure, 2 for wrong usage.

    With `what_happened`, also tell that of the first session.
    """
    read = _read(settings, person, limit)
    query, notes = read if isinstance(read, tuple) else (None, read)
    for line in notes:
        click.echo(line, err=True)
    if query is None:
        return 2
    async with open_connections() as connections, AsyncExitStack() as stack:
        stores = await stack.enter_async_context(open_stores(settings, Timeouts(), serving=False))
        client, audit = client_of(settings, connections.fullstory), audit_of(settings, stores.audit)
        outcome = await _look_up(settings, query, client, audit)
        problem = None
        if isinstance(outcome, Found):
            found, insight = outcome.sessions, None
            if other := found_as(query, found.query):
                click.echo(other, err=True)
            if what_happened:
                insight = await _what_happened(found, client, audit)
            _print(found, insight, as_json=as_json, links=settings.replay_at_moment)
            sys.stdout.flush()  # before the record is written
            if insight and not isinstance(insight, Told):
                problem = explain_no_insight(insight)
        else:
            problem = explain(outcome)
    if problem:
        click.echo(problem.in_one_line(settings.admin_contact), err=True)
        return 1
    if stores.audit and stores.audit.dropped:
        click.echo("The lookup could not be recorded: DATABASE_URL is not usable.", err=True)
        return 1
    return 0


def _read(
    settings: Settings, person: str, limit: str | None
) -> tuple[Query, list[str]] | list[str]:
    """Return the query and notes on it, or what is wrong with it in lines."""
    limits = settings.limits
    parsed = parse(escape(person), limits, *settings.grammar)
    how_many = parse_limit(limit, limits) if limit else None
    if isinstance(how_many, Problem):
        return [texts.parse_error(ParseError(how_many), limits)]
    match parsed:
        case Search(mention=mention) if mention:
            return [NO_MENTIONS]
        case Search() as search:
            return _with_moment(replace(search, limit=how_many or search.limit))
        case Several(searches):
            return [texts.CHOOSE, *(f"fsessions lookup {_argument(one)}" for one in searches)]
        case ParseError(problem=Problem.MENTION):
            return [NO_MENTIONS]
        case ParseError(proposal=proposal) as error:
            meant = [f"Did you mean: fsessions lookup {_argument(proposal)}"] if proposal else []
            return [texts.parse_error(error, limits), *meant]
        case Help():
            return ["Usage: fsessions lookup PERSON [LIMIT] [--json] [--what-happened]"]


def _with_moment(search: Search) -> tuple[Query, list[str]] | list[str]:
    notes = [texts.not_used(search.ignored)] if search.ignored else []
    moment = None
    if search.at:
        try:
            moment, *others = parse_moments(search.at, LocalZone(), datetime.now(UTC))
        except UnclearTime as error:
            explain_time = texts.future_time if error.is_future else texts.unclear_time
            return search.query(), [*notes, explain_time(search.at)]
        if others:
            times = [f"{one.time.astimezone():%Y-%m-%d %H:%M %z}" for one in (moment, *others)]
            return [f"{texts.CHOOSE_TIME} {' / '.join(times)}"]
    return search.query(moment=moment), notes


def _argument(search: Search) -> str:
    return shlex.quote(typed_form(search, with_limit=False))


class _OnThisMachine:
    """A directory that admits everyone: who has the key may use it."""

    async def denial(self, _: str, __: str = "") -> DenialReason | None:
        return None

    async def denial_by_usergroups(self, _: str, __: tuple[str, ...]) -> DenialReason | None:
        return None


async def _look_up(
    settings: Settings, query: Query, client: FullstoryClient, audit: Audit
) -> Outcome:
    lookup = Lookup(
        client,
        Access(_OnThisMachine(), Rules()),
        audit,
        replay_at_moment=settings.replay_at_moment,
    )
    running = asyncio.create_task(lookup.run(query, _actor()))
    await asyncio.wait({running}, timeout=_PROGRESS_AFTER)
    if not running.done() and sys.stderr.isatty():
        click.echo("Asking Fullstory …", err=True)
    return await running


def _actor() -> Actor:
    return Actor("", system_user(), EntryPoint.TERMINAL)


async def _what_happened(
    found: SessionList, client: FullstoryClient, audit: Audit
) -> Insight | None:
    """Tell of the first session; what other processes were told is not known here."""
    if not (found.sessions and found.sessions[0].ids):
        return None
    insights = Insights(client, InMemory(), audit, per_day=1)
    window = Window.around(found.moment_of_first)
    return await insights.run(found.sessions[0], window, found.query, _actor())


def _print(found: SessionList, insight: Insight | None, *, as_json: bool, links: bool) -> None:
    story = tell(insight.excerpt) if isinstance(insight, Told) else None
    report = ""
    if story:
        window = Window.around(found.moment_of_first)
        report = bug_report(story, found.sessions[0], window, links=links)
    if not as_json:
        _print_table(found)
        if story:
            print(f"\n{overview(story)}\n\n{report}")  # noqa: T201
        return
    replays = [found.replay, *([None] * len(found.sessions))]  # only of the first session
    sessions = [_plain(one, replay) for one, replay in zip(found.sessions, replays, strict=False)]
    if story:
        sessions[0]["what_happened"] = _plain_story(story, report)
    print(json.dumps(sessions, indent=2))  # noqa: T201


def _plain_story(story: Story, report: str) -> dict[str, Any]:
    def plain(event: Event) -> dict[str, str]:
        return event._asdict() | {"time": event.time.isoformat(timespec="milliseconds")}

    return {
        "overview": overview(story),
        "findings": [
            plain(one.event) | {"count": one.count, "cause": one.cause and plain(one.cause)}
            for one in story.findings
        ],
        "pages": [
            {"path": one.path, "seconds": one.duration.total_seconds()} for one in story.visits
        ],
        "browser": story.excerpt.browser,
        "system": story.excerpt.system,
        "is_cut": story.excerpt.is_cut,
        "report": report,
    }


def _print_table(found: SessionList) -> None:
    """Print whole links: one that is cut or wrapped can't be opened."""
    query = found.query
    print(texts.heading(query.person, len(found.sessions), query.limit))  # noqa: T201
    if not found.sessions:
        reasons = (f"- {reason}" for reason in REASONS)
        print("\n".join([NO_SESSIONS, *reasons]))  # noqa: T201
        return
    rows = [("Started (local time)", "Replay")]
    for session in found.sessions:
        started = f"{session.started.astimezone():%Y-%m-%d %H:%M}" if session.started else ""
        rows.append((started or texts.UNKNOWN_TIME, session.link or texts.UNUSABLE_LINK))
    if missed := texts.not_at_moment(found):
        print(missed)  # noqa: T201
    if found.replay:
        rows.insert(1, (texts.at_moment(query.moment), found.replay))
    for started, link in rows:
        print(f"{started:<20}  {link}")  # noqa: T201


def _plain(session: Session, replay: str | None) -> dict[str, Any]:
    return {
        "started": session.started.isoformat() if session.started else None,
        "link": session.link,
        "replay_at_moment": replay,
        "fullstory_user_id": session.fullstory_user_id,
        "session_id": session.session_id,
    }
