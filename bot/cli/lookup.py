"""`fsessions lookup`: the same lookup without Slack."""

from __future__ import annotations

import asyncio
import json
import shlex
import sys
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

import click

from bot.cli.user import system_user
from bot.connections import Connections, open_connections
from bot.core.access import Access, Actor, DenialReason, EntryPoint, Rules
from bot.core.audit import AuditStore
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
from bot.core.times import LocalZone, UnclearTime, parse_moments
from bot.features.no_sessions import NO_SESSIONS, REASONS
from bot.fullstory.client import client_of
from bot.settings import Settings
from bot.slack import texts
from bot.slack.blocks import escape
from bot.slack.lookups import found_as
from bot.slack.typed_text import parse
from bot.store.stores import audit_of, open_stores
from bot.timeouts import Timeouts

NO_MENTIONS: Final = (
    "The terminal doesn't know the people of your Slack workspace. Please give the e-mail address "
    "or the uid."
)
_PROGRESS_AFTER: Final = 0.5  # seconds


async def run(settings: Settings, person: str, limit: str | None, *, as_json: bool) -> int:
    """Print the sessions, and return the exit code: 0, 1 for a failure, 2 for wrong usage."""
    read = _read(settings, person, limit)
    query, notes = read if isinstance(read, tuple) else (None, read)
    for line in notes:
        click.echo(line, err=True)
    if query is None:
        return 2
    async with open_connections() as connections, AsyncExitStack() as stack:
        stores = await stack.enter_async_context(open_stores(settings, Timeouts(), serving=False))
        outcome = await _look_up(settings, query, connections, stores.audit)
        if isinstance(outcome, Found):
            if other := found_as(query, outcome.sessions.query):
                click.echo(other, err=True)
            _print(outcome.sessions, as_json=as_json)
            sys.stdout.flush()  # before the record is written
        else:
            explanation = explain(outcome)
            click.echo(explanation.in_one_line(settings.admin_contact), err=True)
    if not isinstance(outcome, Found):
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
            return ["Usage: fsessions lookup PERSON [LIMIT] [--json]"]


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
    settings: Settings,
    query: Query,
    connections: Connections,
    store: AuditStore | None,
) -> Outcome:
    lookup = Lookup(
        client_of(settings, connections.fullstory),
        Access(_OnThisMachine(), Rules()),
        audit_of(settings, store),
        replay_at_moment=settings.replay_at_moment,
    )
    actor = Actor("", system_user(), EntryPoint.TERMINAL)
    running = asyncio.create_task(lookup.run(query, actor))
    await asyncio.wait({running}, timeout=_PROGRESS_AFTER)
    if not running.done() and sys.stderr.isatty():
        click.echo("Asking Fullstory …", err=True)
    return await running


def _print(found: SessionList, *, as_json: bool) -> None:
    if not as_json:
        _print_table(found)
        return
    replays = [found.replay, *([None] * len(found.sessions))]  # only of the first session
    sessions = [_plain(one, replay) for one, replay in zip(found.sessions, replays, strict=False)]
    print(json.dumps(sessions, indent=2))  # noqa: T201


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


def _plain(session: Session, replay: str | None) -> dict[str, str | None]:
    return {
        "started": session.started.isoformat() if session.started else None,
        "link": session.link,
        "replay_at_moment": replay,
        "fullstory_user_id": session.fullstory_user_id,
        "session_id": session.session_id,
    }
