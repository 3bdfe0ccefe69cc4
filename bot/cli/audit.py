"""`fsessions audit`: who looked whom up, and deleting what has to go."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, Literal, TextIO

import click

from bot.database.audit import TROUBLE, AuditEvents
from bot.database.engine import open_engine, shown
from bot.database.schema import Schema, state_of
from bot.errors import FsessionsError
from bot.lookup.events import AuditEvent, AuditQuery, PersonHashes
from bot.sessions import Query
from bot.settings import Settings
from bot.slack.ui import wording
from bot.typed.query import Problem, Refused, parse_person
from bot.typed.times import UnclearTime, parse_moment
from bot.waits import Waits

Format = Literal["table", "csv", "json"]
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
    """The options, as they were typed; "" for what was not given."""

    person: str = ""
    by: str = ""
    since: str = ""
    until: str = ""
    style: Format = "table"
    purge: bool = False
    purge_before: str = ""
    yes: bool = False


class WrongCall(FsessionsError):
    """The options make no sense together, or one of them can't be read; the message says which."""


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
    async with open_engine(settings.database) as engine:
        try:
            if await state_of(engine) is not Schema.CURRENT:
                click.echo("The tables are not of this version: run fsessions migrate.", err=True)
                return 1
            events = AuditEvents(engine, Waits())
            if asked.purge or asked.purge_before:
                return await _purge(events, query, asked)
            await _WRITERS[asked.style](events.search(query), sys.stdout)
        except TROUBLE as error:
            cause = type(getattr(error, "orig", None) or error).__name__
            where = shown(settings.database)
            click.echo(f"{where} can't be used ({cause}). Is DATABASE_URL right?", err=True)
            return 1
    return 0


# -- What is asked for ----------------------------------------------------------------------------


def _query(settings: Settings, asked: Asked) -> AuditQuery:
    if asked.purge and not (asked.person or asked.by):
        raise WrongCall("--purge deletes what is about --person or --by: give one of them.")
    if asked.purge_before and (asked.person or asked.by or asked.since or asked.until):
        raise WrongCall("--purge-before deletes everybody's: it goes with no other choice.")
    until = asked.purge_before or asked.until
    query = AuditQuery(
        user=asked.by.removeprefix("<@").removesuffix(">"),
        since=_time("--since", asked.since, is_end=False) if asked.since else None,
        until=_time("--until", until, is_end=not asked.purge_before) if until else None,
    )
    if not asked.person:
        return query
    hashes = PersonHashes(settings.audit_keys)
    if not hashes.has_key:
        raise WrongCall("AUDIT_KEY is missing: without it, nobody can be found by e-mail or uid.")
    emails, uids = hashes.all_of(_person(settings, asked.person))
    return replace(query, email_hashes=emails, uid_hashes=uids)


def _person(settings: Settings, text: str) -> Query:
    """Whoever is meant, written as for the command."""
    match parse_person(text, None, settings.limits, settings.labels):
        case Query() as query:
            return query
        case Refused() as refused:
            raise WrongCall(f"--person: {wording.refusal(refused, settings.limits)}")
        case _:
            nobody = Refused(Problem.NOBODY, "", "")
            raise WrongCall(f"--person: {wording.refusal(nobody, settings.limits)}")


def _time(option: str, text: str, *, is_end: bool) -> datetime:
    """A day in this machine's zone (as an end, the whole of it), or a moment: "7 days ago"."""
    now = datetime.now().astimezone()
    try:
        day = date.fromisoformat(text)
    except ValueError:
        try:
            return parse_moment(text, now.tzinfo or UTC, now.astimezone(UTC))
        except UnclearTime:
            raise WrongCall(
                f"{option}: give a date such as 2026-11-22, or a time such as “7 days ago”."
            ) from None
    if is_end:
        day += timedelta(days=1)
    return datetime.combine(day, time()).astimezone(UTC)


# -- Printing: an event is written before the next page is read ----------------------------------


async def _as_table(events: AsyncIterator[AuditEvent], out: TextIO) -> None:
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
    if not count:
        click.echo("No events.", err=True)


def _row(values: list[str]) -> str:
    cells = [value.ljust(width) for value, (_, width) in zip(values, _COLUMNS, strict=True)]
    return "  ".join(cells).rstrip() + "\n"


async def _as_csv(events: AsyncIterator[AuditEvent], out: TextIO) -> None:
    writer: csv.DictWriter[str] | None = None
    async for event in events:
        fields = event.plain
        if writer is None:
            writer = csv.DictWriter(out, list(fields))
            writer.writeheader()
        writer.writerow({name: _safe_cell(value) for name, value in fields.items()})


def _safe_cell(value: str | int) -> str | int:
    """Spreadsheets take what begins like this for a formula."""
    return f"'{value}" if str(value).startswith(("=", "+", "-", "@")) else value


async def _as_json(events: AsyncIterator[AuditEvent], out: TextIO) -> None:
    separator = "["
    async for event in events:
        out.write(f"{separator}\n  {json.dumps(event.plain, ensure_ascii=False)}")
        separator = ","
    out.write("[]\n" if separator == "[" else "\n]\n")


_WRITERS: Final[dict[Format, Callable[[AsyncIterator[AuditEvent], TextIO], Awaitable[None]]]] = {
    "table": _as_table,
    "csv": _as_csv,
    "json": _as_json,
}

# -- Deleting -------------------------------------------------------------------------------------


async def _purge(events: AuditEvents, query: AuditQuery, asked: Asked) -> int:
    count = await events.count(query)
    if not count:
        click.echo("No events to delete.")
        return 0
    what = f"{count:,} event{'s' if count > 1 else ''}"
    if not asked.yes and not _confirmed(f"Delete {what}? They can't be brought back."):
        click.echo("Nothing was deleted.", err=True)
        return 1
    click.echo(f"Deleted: {await events.purge(query):,}.")
    return 0


def _confirmed(question: str) -> bool:
    try:
        return click.confirm(question, err=True)
    except click.Abort:  # there is nobody to answer
        return False
