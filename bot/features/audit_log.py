"""Who looked up a customer: for auditors, from their Home.

- https://docs.slack.dev/surfaces/app-home
- https://docs.slack.dev/surfaces/modals
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar, Final

from bot.core.access import Actor, EntryPoint
from bot.core.audit import AuditEvent
from bot.core.outcomes import AccessDenied, Crashed, Explanation
from bot.core.query import ParseError, Problem, Search
from bot.core.read_audit import Entries, ReadAudit
from bot.core.sessions import Query
from bot.settings import Settings
from bot.slack import action_ids, messages, texts
from bot.slack.app import App
from bot.slack.background import BackgroundTasks
from bot.slack.blocks import (
    SHOWN,
    Message,
    Renderer,
    View,
    always,
    code,
    context,
    date_markup,
    escape,
    input_block,
    message,
    modal,
    note,
    section,
    shorten,
)
from bot.slack.delivery import Delivery
from bot.slack.feature import Manifest
from bot.slack.request import Ack, SlackRequest, input_value
from bot.slack.targets import Targets
from bot.slack.typed_text import parse
from bot.slack.web_api import WebApi

FORM: Final = "audit_form"
PERSON: Final = "person"
SINCE: Final = "since"
MAX_EVENTS: Final = 30
"""Events in the modal; `fsessions audit` shows all."""

TITLE: Final = "Who looked up a customer"
READING: Final = "Reading the audit log …"
MAY_BE_DELETED: Final = "Older events may have been deleted."
MORE: Final = "These are the latest. fsessions audit, on the bot's machine, shows all."
_NO_KEY: Final = Explanation(
    "People can't be found in the audit log: AUDIT_KEY is not set.", "Please tell {contact}."
)
_LINES: Final = 8  # in one block


@dataclass(frozen=True, slots=True)
class AuditLog:
    """Opens the form from the Home, and shows events in its place."""

    manifest: ClassVar = Manifest()

    settings: Settings
    read_audit: ReadAudit
    web_api: WebApi
    targets: Targets
    delivery: Delivery
    background: BackgroundTasks

    def register(self, app: App) -> None:
        """Register the button in an auditor's Home, and the form."""
        app.action(action_ids.AUDIT, EntryPoint.AUDIT, self.on_press)
        app.view(FORM, EntryPoint.AUDIT, self.on_submit)

    async def on_press(self, request: SlackRequest) -> Ack:
        """Open the form."""
        self.background.start(self._open(request))
        return None

    async def _open(self, request: SlackRequest) -> None:
        view = audit_form()
        if not self.read_audit.can_find_people:
            view = audit_modal(note(_NO_KEY.in_one_line(self.settings.admin_contact)))
        view_id = await self.web_api.open_modal(request.body, view)
        if view_id and (reason := await self.read_audit.denial(request.actor)):
            denied = messages.access_denied(reason, self.settings.admin_contact)
            await self.web_api.update_modal(view_id, audit_modal(denied))

    async def on_submit(self, request: SlackRequest) -> Ack:
        """Show an error beside its input, or the events."""
        view, limits = request.body["view"], self.settings.limits
        typed = str(input_value(view, PERSON) or "")
        parsed = parse(escape(typed), limits, *self.settings.grammar)
        if not isinstance(parsed, Search) or parsed.mention:
            error = parsed if isinstance(parsed, ParseError) else ParseError(Problem.NO_ONE)
            sentence = texts.parse_error(error, limits)
            return {"response_action": "errors", "errors": {PERSON: sentence}}
        seconds = input_value(view, SINCE, "selected_date_time")
        since = datetime.fromtimestamp(int(seconds), UTC) if seconds else None
        work = self._entries(request.actor, parsed.query(), since)
        target = self.targets.modal(request.body, audit_modal)
        return await self.delivery.in_ack(work, request, target, note(READING))

    async def _entries(self, actor: Actor, person: Query, since: datetime | None) -> Renderer:
        match await self.read_audit.run(actor, person, since, MAX_EVENTS):
            case Entries(events, has_more):
                return always(entries(person.person, events, has_more=has_more))
            case AccessDenied(reason):
                return always(messages.access_denied(reason, self.settings.admin_contact))
            case Crashed(reference):
                failed = Explanation(
                    "The audit log can't be read right now.",
                    "Please try again in a minute. If it happens again, tell {contact}.",
                    reference,
                )
                return always(messages.problem(failed, self.settings.admin_contact))


def audit_form() -> View:
    """Ask whose lookups to show."""
    hint = "Your request is recorded, too."
    blocks = [
        input_block(PERSON, "Customer's e-mail or uid", {"type": "plain_text_input"}, hint),
        input_block(SINCE, "Since", {"type": "datetimepicker"}, is_optional=True),
    ]
    return modal(TITLE, blocks, FORM, "Show")


def audit_modal(message: Message, *, is_final: bool = True) -> View:
    """Show a message in the modal."""
    del is_final
    return modal(TITLE, message["blocks"])


def entries(person: str, events: Sequence[AuditEvent], *, has_more: bool) -> Message:
    """Render who looked a person up, newest first."""
    title = heading(shorten(person, SHOWN), len(events), has_more=has_more)
    if not events:
        return note(f"{title} {MAY_BE_DELETED}")
    lines = [_line(event) for event in events]
    parts = ["\n".join(lines[n : n + _LINES]) for n in range(0, len(lines), _LINES)]
    blocks = [section(f"*{escape(title)}*"), *map(section, parts)]
    if has_more:
        blocks.append(context(MORE))
    return message(title, blocks)


def heading(person: str, count: int, *, has_more: bool) -> str:
    """Name the person and the number of events."""
    if not count:
        return f"No one has looked up {person}."
    counted = "1 entry" if count == 1 else f"{count} entries"
    return f"Lookups of {person}: {'the latest ' if has_more else ''}{counted}"


def _line(event: AuditEvent) -> str:
    who = f"<@{escape(event.user)}>" if event.workspace else code(event.user)
    where = f" in <#{escape(event.channel)}>" if event.channel.startswith(("C", "G")) else ""
    time = date_markup(event.time, "{date_short_pretty} {time}")
    said = escape(_result(event.result, event.reason, event.count))
    return f"{time}  {who}{where}: {said} ({escape(event.entry_point)})"


def _result(result: str, reason: str, count: int) -> str:
    match result:
        case "found":
            return f"saw {texts.counted(count, 'session')}"
        case "none":
            return "no sessions"
        case "opened":
            return "opened a replay"
        case "insight":
            return "saw what happened in a session"
        case "explained":
            return "asked why there are no sessions"
        case "shared":
            return f"shared {texts.counted(count, 'session')}"
        case "audit read":
            return "read this log"
        case "purged":
            return f"deleted {texts.counted(count, 'event')}"
        case _:
            return f"{result}: {reason.replace('_', ' ')}" if reason else result
