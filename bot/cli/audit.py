"""`fsessions audit`: shows who looked up which customer, and deletes events."""

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
from bot.core.audit import Audit, AuditEvent, AuditQuery, PersonHashes, Result
from bot.core.query import ParseError, Problem, Search
from bot.core.sessions import Query
from bot.core.times import LocalZone, UnclearTime, parse_moment
from bot.errors import FsessionsError
from bot.settings import Settings
from bot.slack import texts
from bot.slack.blocks import escape
from bot.slack.typed_text import parse
from bot.store.audit import AuditEvents
from bot.store.engine import DATABASE_ERRORS, explain, open_engine
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
class Options:
    """The options as they were typed."""

    person: str | None = None
    by: str | None = None
    since: str | None = None
    until: str | None = None
    style: Format = "table"
    purge: bool = False
    purge_before: str | None = None
    yes: bool = False


class UsageError(FsessionsError):
    """The options are invalid; the message says which."""


class CantPrint(FsessionsError):
    """Standard output can't be written to."""


async def run(settings: Settings, options: Options) -> int:
    """Print or delete events, and return the exit code.

    0: done, even if there were none. 1: the database is not usable, or a deletion was not
    confirmed. 2: wrong usage.
    """
    try:
        query = _query(settings, options)
    except UsageError as error:
        click.echo(str(error), err=True)
        return 2
    try:
        async with open_engine(settings.database) as engine:
            state = await within(_SECONDS, state_of(engine))
            if not state.is_usable:
                click.echo(f"The database has {state.value}: run fsessions migrate.", err=True)
                return 1
            events = AuditEvents(engine, Timeouts())
            if options.purge or options.purge_before:
                return await _purge(events, query, options)
            if not await _WRITERS[options.style](_in_time(events.search(query)), _Output()):
                click.echo(f"No events.{_hint(options)}", err=True)
    except CantPrint as error:
        return _end_of_output(error)
    except DATABASE_ERRORS as error:
        what, fix = explain(settings.database, error)
        click.echo(f"{what}. {fix}", err=True)
        return 1
    return 0


async def _in_time(events: AsyncIterator[AuditEvent]) -> AsyncIterator[AuditEvent]:
    """Yield events. Raises `TimeoutError` if one takes too long."""

    async def next_event() -> AuditEvent | None:
        return await anext(events, None)

    while event := await within(_SECONDS, next_event()):
        yield event


def _hint(options: Options) -> str:
    """Say why nothing may have been found."""
    if options.by and not _SLACK_ID.fullmatch(_user(options.by)):
        return f" (Is {options.by} a login name of this machine? In Slack, give the user's id: U…)"
    return " (Under another AUDIT_KEY, people are not found.)" if options.person else ""


class _Output:
    """Standard output, whose errors are not taken for the database's."""

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
    """Return the exit code: a pipe that `head` has closed is no failure; a full disk is."""
    # The rest of the buffer would fail again when Python exits.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if isinstance(error.__cause__, BrokenPipeError):
        return 0
    click.echo("The events can't be written to standard output.", err=True)
    return 1


# -- Options --------------------------------------------------------------------------------------


def _query(settings: Settings, options: Options) -> AuditQuery:
    for name in ("person", "by", "since", "until", "purge_before"):
        if getattr(options, name) is not None and not getattr(options, name).strip():
            raise UsageError(f"--{name.replace('_', '-')} is empty.")
    if options.purge and not (options.person or options.by):
        raise UsageError("--purge deletes the events of --person or --by: give one of them.")
    if options.purge_before and (options.person or options.by or options.since or options.until):
        raise UsageError(
            "--purge-before deletes everyone's events: don't combine it with other options."
        )
    until = options.purge_before or options.until
    query = AuditQuery(
        user=_user(options.by) if options.by else "",
        since=_time("--since", options.since, is_end=False) if options.since else None,
        until=_time(
            "--purge-before" if options.purge_before else "--until",
            until,
            is_end=not options.purge_before,
        )
        if until
        else None,
    )
    if query.since and query.until and query.since >= query.until:
        raise UsageError("--since is after --until.")
    if not options.person:
        return query
    hashes = PersonHashes(settings.audit_keys)
    if not hashes.has_key:
        raise UsageError(
            "AUDIT_KEY is missing: without it, people can't be found by e-mail or uid."
        )
    emails, uids = hashes.to_search(_person(settings, options.person))
    return replace(query, email_hashes=emails, uid_hashes=uids)


def _user(text: str) -> str:
    """Return a person's id in Slack, also from a mention; or a login name of this machine."""
    user = _MENTION.sub(r"\1", text.strip())
    if not _USER.fullmatch(user):
        raise UsageError(
            "--by: give a Slack user id such as U0123ABCD, or a login name of this machine."
        )
    return user.upper() if _SLACK_ID.fullmatch(user) else user


def _person(settings: Settings, text: str) -> Query:
    """Return the person, who is written as for the command."""
    parsed = parse(escape(text), settings.slack_limits, *settings.grammar)
    if isinstance(parsed, Search) and not (parsed.mention or parsed.ignored):
        return parsed.query()
    error = parsed if isinstance(parsed, ParseError) else ParseError(Problem.NO_ONE)
    raise UsageError(f"--person: {texts.parse_error(error, settings.limits)}")


def _time(option: str, text: str, *, is_end: bool) -> datetime:
    """Read a day in this machine's time zone (an end includes it), or a time: "7 days ago"."""
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
        raise UsageError(
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
    """Quote what a spreadsheet would take for a formula."""
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


async def _purge(events: AuditEvents, query: AuditQuery, options: Options) -> int:
    count = await within(_SECONDS, events.count(query))
    if not count:
        click.echo("No events to delete.")
        return 0
    what = f"{count:,} event{'s' if count > 1 else ''}"
    about = f" about {options.person}" if options.person else ""
    by = f" by {options.by}" if options.by else ""
    if not options.yes and not _confirmed(f"Delete {what}{about}{by}? This can't be undone."):
        click.echo("Nothing was deleted.", err=True)
        return 1
    deletion = _deletion(options, count)
    if not await events.write(deletion):
        click.echo("The deletion can't be recorded, so nothing was deleted.", err=True)
        return 1
    deleted = await within(_PURGE_SECONDS, events.purge(query))
    # Again: the first record may have been deleted, too.
    await events.write(replace(deletion, count=deleted))
    click.echo(f"Deleted: {deleted:,}.")
    return 0


def _deletion(options: Options, count: int) -> AuditEvent:
    """Return the event of a deletion, which never names a customer."""
    reasons = [
        "about a person" if options.person else "",
        f"by {_user(options.by)}" if options.by else "",
        f"before {options.purge_before}" if options.purge_before else "",
    ]
    actor = Actor("", system_user(), EntryPoint.TERMINAL)
    reason = ", ".join(filter(None, reasons))
    return Audit(PersonHashes(())).event(actor, Result.PURGED, reason=reason[:100], count=count)


def _confirmed(question: str) -> bool:
    try:
        return click.confirm(question, err=True)
    except click.Abort:  # there is no one to answer
        return False
