"""The form: whose sessions, how many, when; and the results, in the same window.

https://docs.slack.dev/surfaces/modals
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from bot.core.access import EntryPoint
from bot.core.query import ParseError, Problem, QueryNeedingProfile, parse_person
from bot.core.sessions import Moment, Query
from bot.slack import action_ids, modals, texts
from bot.slack.blocks import View, note
from bot.slack.request import Route, SlackRequest, field_value
from bot.slack.services import Services
from bot.slack.signing import Kind, Outdated, WrongUser
from bot.slack.views import Window

_ANYBODY: Final = "jane@example.com"
"""In the place of the person, where only the number is looked at."""


class Form:
    """Answers the form, in the window it stands in."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def routes(self) -> tuple[Route, ...]:
        """The form when it is sent, and the button under its results."""
        return (
            Route("view", action_ids.FORM, EntryPoint.FORM, self.submitted),
            Route("action", action_ids.NEW_SEARCH, EntryPoint.FORM, self.new_search),
        )

    async def new_search(self, request: SlackRequest) -> None:
        """Results become the empty form again."""
        await request.ack()
        services, shown = self._services, request.body["view"]
        metadata = str(shown.get("private_metadata") or "")
        view = modals.form(services.answers.limits, metadata=metadata)
        try:
            services.answers.unseal(metadata, request.actor.user, Kind.CHANNEL)
        except (WrongUser, Outdated) as error:
            view = self._refused(request, error)
        services.delivery.start(services.views.update(str(shown["id"]), view))

    async def submitted(self, request: SlackRequest) -> None:
        """Errors beside their fields, or the results."""
        services, view = self._services, request.body["view"]
        metadata = str(view.get("private_metadata") or "")
        try:
            channel = services.answers.unseal(metadata, request.actor.user, Kind.CHANNEL)
        except (WrongUser, Outdated) as error:
            await request.ack(response_action="update", view=self._refused(request, error))
            return
        asked = self._read(view)
        if isinstance(asked, Query):
            # A window is in no channel; but it may have been opened in one.
            work = services.answers.to_query(asked, replace(request.actor, channel=channel))
            frame = partial(modals.results, metadata=metadata)
            otherwise = services.targets.of_person(request.actor.user, request.actor.user)
            window = Window(services.views, str(view["id"]), frame, otherwise)
            await services.delivery.answer_in_ack(work, request, window, note(texts.LOOKING))
        else:
            await request.ack(response_action="errors", errors=asked)

    def _refused(self, request: SlackRequest, error: WrongUser | Outdated) -> View:
        self._services.refuse_sealed(request, error)
        return modals.note_window(texts.FORM_TITLE, note(texts.FORM_OUTDATED))

    def _read(self, view: dict[str, Any]) -> Query | dict[str, str]:
        """Whose sessions, or all that is wrong, by field."""
        limits, labels = self._services.answers.limits, self._services.settings.labels
        person = str(field_value(view, action_ids.PERSON_FIELD, "value") or "")
        typed = "".join(str(field_value(view, action_ids.LIMIT_FIELD, "value") or "").split())
        limit = typed or None
        seconds = field_value(view, action_ids.MOMENT_FIELD, "selected_date_time")
        moment = None
        wrong: dict[str, str] = {}
        if seconds:
            # The picker has no seconds.
            time = datetime.fromtimestamp(int(seconds), UTC)
            moment = Moment(time, of_message=False, whole_minute=time.second == 0)
        if moment and moment.time > datetime.now(UTC):
            wrong[action_ids.MOMENT_FIELD] = texts.MOMENT_TO_COME
        limited = parse_person(_ANYBODY, limit, limits)
        if isinstance(limited, ParseError):
            wrong[action_ids.LIMIT_FIELD] = texts.refusal(limited, limits)
            limit = None
        match parse_person(person, limit, limits, labels):
            case Query() as query:
                return wrong or replace(query, moment=moment)
            case QueryNeedingProfile():
                wrong[action_ids.PERSON_FIELD] = texts.USE_MOMENT_FIELD
            case ParseError(problem) as refused:
                field = action_ids.LIMIT_FIELD if problem.of_limit else action_ids.PERSON_FIELD
                wrong[field] = texts.refusal(refused, limits)
            case _:
                nobody = ParseError(Problem.NOBODY, "", "")
                wrong[action_ids.PERSON_FIELD] = texts.refusal(nobody, limits)
        return wrong
