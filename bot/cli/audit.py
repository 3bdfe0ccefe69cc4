"""`fsessions audit`: who looked whom up, and deleting what has to go."""

from __future__ import annotations

import csv
import json
import os
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, fields, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, Literal

import click

from bot.cli.user import system_user
from bot.core.access import Actor, EntryPoint
from bot.core.audit import Audit
from bot.core.events import AuditEvent, AuditQuery, PersonHashes, Result
from bot.core.query import ParseError, Problem, parse_person
from bot.core.sessions import Query
from bot.core.times import LocalZone, UnclearTime, parse_moment
from bot.errors import FsessionsError
from bot.settings import Settings
from bot.slack import texts
from bot.store.audit import AuditEvents
from bot.store.engine import TROUBLE, cannot_be_used, open_engine
from bot.store.schema import state_of
from bot.timeouts import Timeouts, within

_SECONDS: Final = Timeouts().administration
_PURGE_SECONDS: Final = 3600.0
Format = Literal["table", "csv", "json"]
_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
_MENTION: Final = re.compile(r"<?@(\w+)(?:\|[^<>]*)?>?")
_USER: Final = re.compile(r"[\w.@-]{1,100}")
_SLACK_ID: Final = re.compile(r"[UWuw](?=\w*\d)\w{2,}")
_COLUMNS: Final = (
    ("Time (UTC)", 19),
    ("Who", 12),
    ("Through", 16),
    ("Where", 12),
    ("Result", 22),
    ("Sessions", 8),
    ("Person", 14),
    ("Reference", 9),
)


@dataclass(frozen=True, slots=True)
class Asked:
    """The options, as they were typed."""

    person: str | None = None
    by: str | None = None
    since: str | None = None
    until: str | None = None
    style: Format = "table"
    purge: bool = False
    purge_before: str | None = None
    yes: bool = False


class WrongCall(FsessionsError):
    """The options make no sense together, or one of them can't be read; the message says which."""


class CantPrint(FsessionsError):
    """Standard output takes no more."""


async def run(settings: Settings, asked: Asked) -> int:
    """Prints the events, or deletes them. Gives the exit code.

    0: done, also where there were none. 1: the database can't be used, or a deletion was not
    confirmed. 2: a wrong call.
    """
    try:
        query = _query(settings, asked)
    except WrongCall as error:
        click.echo(str(error), err=True)
        return 2
    try:
        async with open_engine(settings.database) as engine:
            state = await within(_SECONDS, state_of(engine))
            if not state.can_be_used:
                click.echo(f"The database has {state.value}: run fsessions migrate.", err=True)
                return 1
            events = AuditEvents(engine, Timeouts())
            if asked.purge or asked.purge_before:
                return await _purge(events, query, asked)
            if not await _WRITERS[asked.style](_in_time(events.search(query)), _Output()):
                click.echo(f"No events.{_hint(asked)}", err=True)
    except CantPrint as error:
        return _end_of_output(error)
    except TROUBLE as error:
        failed, remedy = cannot_be_used(settings.database, error)
        click.echo(f"{failed}. {remedy}", err=True)
        return 1
    return 0


async def _in_time(events: AsyncIterator[AuditEvent]) -> AsyncIterator[AuditEvent]:
    """The events; raises `TimeoutError` where the database keeps one back for too long."""

    async def following() -> AuditEvent | None:
        return await anext(events, None)

    while event := await within(_SECONDS, following()):
        yield event


def _hint(asked: Asked) -> str:
    """Why nothing may have been found."""
    if asked.by and not _SLACK_ID.fullmatch(_user(asked.by)):
        return f" (Is {asked.by} a login name of this machine? In Slack, give the user's id: U…)"
    return " (Under another AUDIT_KEY, people are not found.)" if asked.person else ""


class _Output:
    """Standard output, whose troubles are not taken for the database's."""

    def write(self, text: str) -> None:
        try:
            sys.stdout.write(text)
        except OSError as error:
            raise CantPrint from error

    def flush(self) -> None:
        try:
            sys.stdout.flush()
        except OSError as error:
            raise CantPrint from error


def _end_of_output(error: CantPrint) -> int:
    """`| head` has seen enough, which is no failure; a full disk is one."""
    # What is left in the buffer would fail once more, when Python ends.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if isinstance(error.__cause__, BrokenPipeError):
        return 0
    click.echo("The events can't be written to where they should go.", err=True)
    return 1


# -- What is asked for ----------------------------------------------------------------------------


def _query(settings: Settings, asked: Asked) -> AuditQuery:
    for name in ("person", "by", "since", "until", "purge_before"):
        if getattr(asked, name) is not None and not getattr(asked, name).strip():
            raise WrongCall(f"--{name.replace('_', '-')} is empty.")
    if asked.purge and not (asked.person or asked.by):
        raise WrongCall("--purge deletes what is about --person or --by: give one of them.")
    if asked.purge_before and (asked.person or asked.by or asked.since or asked.until):
        raise WrongCall("--purge-before deletes everybody's: it goes with no other choice.")
    until = asked.purge_before or asked.until
    query = AuditQuery(
        user=_user(asked.by) if asked.by else "",
        since=_time("--since", asked.since, is_end=False) if asked.since else None,
        until=_time(
            "--purge-before" if asked.purge_before else "--until",
            until,
            is_end=not asked.purge_before,
        )
        if until
        else None,
    )
    if query.since and query.until and query.since >= query.until:
        raise WrongCall("--since is after --until: nothing can be in between.")
    if not asked.person:
        return query
    hashes = PersonHashes(settings.audit_keys)
    if not hashes.has_key:
        raise WrongCall("AUDIT_KEY is missing: without it, nobody can be found by e-mail or uid.")
    emails, uids = hashes.to_search(_person(settings, asked.person))
    return replace(query, email_hashes=emails, uid_hashes=uids)


def _user(text: str) -> str:
    """Slack's id of a person, also as a mention; or a name of this machine."""
    user = _MENTION.sub(r"\1", text.strip())
    if not _USER.fullmatch(user):
        raise WrongCall("--by: give a Slack user id such as U0123ABCD, or a user's name here.")
    return user.upper() if _SLACK_ID.fullmatch(user) else user


def _person(settings: Settings, text: str) -> Query:
    """Whoever is meant, written as for the command."""
    match parse_person(text, None, settings.limits, settings.labels):
        case Query() as query:
            return query
        case ParseError() as refused:
            raise WrongCall(f"--person: {texts.refusal(refused, settings.limits)}")
        case _:
            nobody = ParseError(Problem.NOBODY, "", "")
            raise WrongCall(f"--person: {texts.refusal(nobody, settings.limits)}")


def _time(option: str, text: str, *, is_end: bool) -> datetime:
    """A day in this machine's zone (as an end, the whole of it), or a moment: "7 days ago"."""
    now = datetime.now(UTC)
    today = now.astimezone(LocalZone()).date()
    try:
        days = {"today": today, "yesterday": today - timedelta(days=1)}
        if _DAY.fullmatch(text) or text.lower() in days:
            day = days.get(text.lower()) or date.fromisoformat(text)
            day += timedelta(days=is_end)
            return datetime.combine(day, time()).astimezone(UTC)
        return parse_moment(text, LocalZone(), now).time
    except (UnclearTime, ValueError, OverflowError):
        raise WrongCall(
            f"{option}: give a date such as 2026-11-22, yesterday, or a time such as “7 days ago”."
        ) from None


# -- Printing: an event is written before the next page is read ----------------------------------


async def _as_table(events: AsyncIterator[AuditEvent], out: _Output) -> int:
    count = 0
    async for event in events:
        if not count:
            out.write(_row([name for name, _ in _COLUMNS]))
        count += 1
        mark = event.email_hash or event.uid_hash
        result = f"{event.result}: {event.reason}" if event.reason else event.result
        values = [
            f"{event.time:%Y-%m-%d %H:%M:%S}",
            event.user or "(workflow)",
            event.entry_point,
            event.channel or event.workflow,
            result,
            str(event.count),
            f"{event.kind.replace(' and ', '+')} {mark[:8]}".strip(),
            event.reference,
        ]
        out.write(_row(values))
    out.flush()
    return count


def _row(values: list[str]) -> str:
    cells = [value.ljust(width) for value, (_, width) in zip(values, _COLUMNS, strict=True)]
    return "  ".join(cells).rstrip() + "\n"


async def _as_csv(events: AsyncIterator[AuditEvent], out: _Output) -> int:
    names = [field.name for field in fields(AuditEvent)]
    writer = csv.DictWriter(out, names, quoting=csv.QUOTE_ALL)
    writer.writeheader()
    count = 0
    async for event in events:
        count += 1
        writer.writerow({name: _safe_cell(value) for name, value in event.plain.items()})
    out.flush()
    return count


def _safe_cell(value: str | int) -> str | int:
    """Spreadsheets take what begins like this for a formula."""
    return f"'{value}" if str(value).lstrip().startswith(("=", "+", "-", "@")) else value


async def _as_json(events: AsyncIterator[AuditEvent], out: _Output) -> int:
    separator, count = "[", 0
    async for event in events:
        count += 1
        out.write(f"{separator}\n  {json.dumps(event.plain, ensure_ascii=False)}")
        separator = ","
    out.write("\n]\n" if count else "[]\n")
    out.flush()
    return count


_WRITERS: Final[dict[Format, Callable[[AsyncIterator[AuditEvent], _Output], Awaitable[int]]]] = {
    "table": _as_table,
    "csv": _as_csv,
    "json": _as_json,
}

# -- Deleting -------------------------------------------------------------------------------------


async def _purge(events: AuditEvents, query: AuditQuery, asked: Asked) -> int:
    count = await within(_SECONDS, events.count(query))
    if not count:
        click.echo("No events to delete.")
        return 0
    what = f"{count:,} event{'s' if count > 1 else ''}"
    about = f" about {asked.person}" if asked.person else ""
    by = f" by {asked.by}" if asked.by else ""
    if not asked.yes and not _confirmed(f"Delete {what}{about}{by}? They can't be brought back."):
        click.echo("Nothing was deleted.", err=True)
        return 1
    deletion = _deletion(asked, count)
    if not await events.write(deletion):
        click.echo("The deletion can't be recorded, so nothing was deleted.", err=True)
        return 1
    deleted = await within(_PURGE_SECONDS, events.purge(query))
    # Once more: the first record may have been among what was deleted.
    await events.write(replace(deletion, count=deleted))
    click.echo(f"Deleted: {deleted:,}.")
    return 0


def _deletion(asked: Asked, count: int) -> AuditEvent:
    """The event of a deletion: who deleted, how many, and by which choice; never which customer."""
    reasons = [
        "about a person" if asked.person else "",
        f"by {_user(asked.by)}" if asked.by else "",
        f"before {asked.purge_before}" if asked.purge_before else "",
    ]
    actor = Actor("", system_user(), EntryPoint.TERMINAL)
    reason = ", ".join(filter(None, reasons))
    return Audit(PersonHashes(())).event(actor, Result.PURGED, reason=reason[:100], count=count)


def _confirmed(question: str) -> bool:
    try:
        return click.confirm(question, err=True)
    except click.Abort:  # there is nobody to answer
        return False
