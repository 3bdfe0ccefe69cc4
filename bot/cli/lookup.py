"""`fsessions lookup`: the same lookup, without Slack."""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import AsyncExitStack, nullcontext
from datetime import UTC, datetime

from rich.console import Console

from bot.cli.user import system_user
from bot.connections import Connections, open_connections
from bot.core.access import Actor, DenialReason, EntryPoint, Rules
from bot.core.audit import AuditStore
from bot.core.lookup import Lookup, LookupRequest
from bot.core.outcomes import AccessDenied, Crashed, Failed, Found, NotRecorded, Outcome
from bot.core.permission import Access
from bot.core.query import Help, ParseError, Problem, QueryNeedingProfile, parse_person
from bot.core.sessions import Query, Session, SessionList
from bot.core.times import LocalZone, UnclearTime, parse_moment
from bot.fullstory.client import client_of
from bot.settings import Settings
from bot.slack import texts
from bot.store.stores import audit_of, open_stores
from bot.timeouts import Timeouts

_SPINNER_AFTER = 0.5  # seconds


async def run(settings: Settings, person: str, limit: str | None, *, as_json: bool) -> int:
    """Prints the sessions. Gives the exit code: 0, 1 for a failure, 2 for a wrong call."""
    errors = Console(stderr=True, highlight=False, soft_wrap=True)
    query = _read(settings, person, limit)
    if isinstance(query, list):
        for line in query:
            errors.print(line, markup=False)
        return 2
    async with open_connections() as connections, AsyncExitStack() as stack:
        stores = await stack.enter_async_context(open_stores(settings, Timeouts(), serving=False))
        outcome = await _look_up(settings, query, errors, connections, stores.audit)
        problem = _problem(settings, outcome)
        if isinstance(outcome, Found):
            _print(outcome.sessions, as_json=as_json)
            sys.stdout.flush()  # before the record is written
        else:
            errors.print(problem, markup=False)
    if stores.audit and stores.audit.dropped and not problem:
        errors.print("The lookup could not be recorded: DATABASE_URL can't be used.")
        return 1
    return 1 if problem else 0


def _problem(settings: Settings, outcome: Outcome) -> str:
    """Why there is nothing to print, or ""."""
    contact = settings.admin_contact
    match outcome:
        case Found():
            return ""
        case Failed(error):
            return texts.in_one_line(texts.failure(error), contact)
        case AccessDenied(refusal):
            return texts.refused_in_one_line(refusal, settings.access_contact)
        case NotRecorded(reference):
            return texts.in_one_line(texts.NOT_RECORDED, contact, reference)
        case Crashed(reference):
            return texts.in_one_line(texts.our_fault(), contact, reference)


def _read(settings: Settings, person: str, limit: str | None) -> Query | list[str]:
    """What is asked for, or what was wrong, in lines."""
    match parse_person(person, limit, settings.limits, settings.labels):
        case Query() as query:
            return query
        case QueryNeedingProfile(mention=mention) if mention:
            return [texts.TERMINAL_MENTION]
        case QueryNeedingProfile() as unresolved:
            try:
                return _here(unresolved)
            except UnclearTime as error:
                refused = ParseError(Problem.TIME_UNCLEAR, "", "")
                unclear = texts.refusal(refused, settings.limits)
                return [texts.MOMENT_TO_COME if error.to_come else unclear]
        case ParseError(problem=Problem.MENTION):
            return [texts.TERMINAL_MENTION]
        case ParseError() as refused:
            example = f"{texts.TRY}: fsessions lookup {refused.example}"
            return [texts.refusal(refused, settings.limits), example]
        case Help():
            return ["Usage: fsessions lookup PERSON [LIMIT] [--json]"]


def _print(found: SessionList, *, as_json: bool) -> None:
    if as_json:
        replays = [found.replay, *([None] * len(found.sessions))]  # of the first session alone
        sessions = [
            _plain(one, replay) for one, replay in zip(found.sessions, replays, strict=False)
        ]
        print(json.dumps(sessions, indent=2))  # noqa: T201
    else:
        _print_table(found)


class _OnThisMachine:
    """Who has the key may use it."""

    async def refusal(self, _: str, __: str = "") -> DenialReason | None:
        return None

    async def refusal_by_usergroups(self, _: str, __: tuple[str, ...]) -> DenialReason | None:
        return None


def _here(asked: QueryNeedingProfile) -> Query:
    """The query, its time in this machine's zone. Raises `UnclearTime`."""
    moment = parse_moment(asked.at, LocalZone(), datetime.now(UTC)) if asked.at else None
    return asked.resolved(None, moment)


async def _look_up(
    settings: Settings,
    query: Query,
    errors: Console,
    connections: Connections,
    store: AuditStore | None,
) -> Outcome:
    find = Lookup(
        client_of(settings, connections.fullstory),
        Access(_OnThisMachine(), Rules()),
        audit_of(settings, store),
        replay_at_moment=settings.replay_at_moment,
    )
    actor = Actor("", system_user(), EntryPoint.TERMINAL)
    finding = asyncio.create_task(find.run(LookupRequest(actor, query)))
    await asyncio.wait({finding}, timeout=_SPINNER_AFTER)
    waiting = not finding.done() and errors.is_terminal
    with errors.status("Asking Fullstory …") if waiting else nullcontext():
        return await finding


def _print_table(found: SessionList) -> None:
    """Links stand whole and as they are: one that is cut or wrapped can't be opened."""
    query = found.query
    print(texts.heading(query.person, len(found.sessions), query.limit))  # noqa: T201
    if not found.sessions:
        reasons = (f"- {reason}" for reason in texts.NONE_FOUND_REASONS)
        print("\n".join([texts.NONE_FOUND_INTRO, *reasons]))  # noqa: T201
        return
    rows = [("Started (local time)", "Replay")]
    for session in found.sessions:
        started = f"{session.started.astimezone():%Y-%m-%d %H:%M}" if session.started else ""
        rows.append((started or texts.UNKNOWN_TIME, session.link or texts.UNUSABLE_LINK))
    if missed := texts.not_at_moment(found):
        print(missed)  # noqa: T201
    if found.replay:
        rows.insert(1, (texts.at_moment(found.query.moment), found.replay))
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
