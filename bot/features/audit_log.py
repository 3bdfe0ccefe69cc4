"""Who looked somebody up: for auditors, from the Home, without a terminal.

- https://docs.slack.dev/surfaces/app-home
- https://docs.slack.dev/surfaces/modals
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from bot.core.access import Actor, EntryPoint
from bot.core.outcomes import AccessDenied, Crashed
from bot.core.query import ParseError, Problem, parse_person
from bot.core.read_audit import Entries
from bot.core.sessions import Query
from bot.slack import action_ids, messages, modals, texts
from bot.slack.blocks import Renderer, always, note
from bot.slack.request import Route, SlackRequest, field_value
from bot.slack.services import Services
from bot.slack.views import Window

MOST: Final = 30
"""Events in the window; `fsessions audit` shows all."""


class AuditWindow:
    """Opens the window from the Home, and answers it."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def routes(self) -> tuple[Route, ...]:
        """The button in an auditor's Home, and the window when it is sent."""
        return (
            Route("action", action_ids.AUDIT, EntryPoint.AUDIT, self.pressed),
            Route("view", action_ids.AUDIT_FORM, EntryPoint.AUDIT, self.submitted),
        )

    async def pressed(self, request: SlackRequest) -> None:
        """Opens the window."""
        await request.ack()
        self._services.delivery.start(self._open(request))

    async def _open(self, request: SlackRequest) -> None:
        services = self._services
        view = modals.audit_form()
        if not services.read_audit.can_find_people:
            contact = services.settings.admin_contact
            sentence = texts.in_one_line(texts.AUDIT_NO_KEY, contact)
            view = modals.audit_window(note(sentence))
        view_id = await services.views.open(request.body["trigger_id"], view)
        if view_id and (refusal := await services.read_audit.refusal(request.actor)):
            refused = modals.audit_window(services.answers.refused(refusal))
            await services.views.update(view_id, refused)

    async def submitted(self, request: SlackRequest) -> None:
        """Errors beside their fields, or the events in the place of the form."""
        services, view = self._services, request.body["view"]
        typed = str(field_value(view, action_ids.PERSON_FIELD, "value") or "")
        parsed = parse_person(typed, None, services.answers.limits, services.settings.labels)
        if not isinstance(parsed, Query):
            refused = (
                parsed if isinstance(parsed, ParseError) else ParseError(Problem.NOBODY, "", "")
            )
            sentence = texts.refusal(refused, services.answers.limits)
            await request.ack(response_action="errors", errors={action_ids.PERSON_FIELD: sentence})
            return
        seconds = field_value(view, action_ids.SINCE_FIELD, "selected_date_time")
        since = datetime.fromtimestamp(int(seconds), UTC) if seconds else None
        work = self._entries(request.actor, parsed, since)
        otherwise = services.targets.of_person(request.actor.user, request.actor.user)
        window = Window(services.views, str(view["id"]), modals.audit_window, otherwise)
        await services.delivery.answer_in_ack(work, request, window, note(texts.AUDIT_READING))

    async def _entries(self, actor: Actor, person: Query, since: datetime | None) -> Renderer:
        services = self._services
        match await services.read_audit.run(actor, person, since, MOST):
            case Entries(events, more):
                return always(messages.audit_entries(person.person, events, more=more))
            case AccessDenied(refusal):
                return always(services.answers.refused(refusal))
            case Crashed(reference):
                contact = services.settings.admin_contact
                return always(messages.trouble(texts.AUDIT_TROUBLE, contact, reference))
