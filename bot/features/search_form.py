"""The search form: opened by a shortcut from anywhere, and answered in its own window.

https://docs.slack.dev/surfaces/modals
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, ClassVar, Final

from bot.core.access import EntryPoint
from bot.core.audit import Audit
from bot.core.query import (
    Help,
    Parsed,
    ParseError,
    Problem,
    Search,
    Several,
    parse_limit,
    typed_form,
)
from bot.core.sessions import Moment
from bot.settings import Settings
from bot.slack import action_ids, texts
from bot.slack.app import COMMAND, App
from bot.slack.background import BackgroundTasks
from bot.slack.blocks import View, escape, modal, note
from bot.slack.delivery import Delivery
from bot.slack.feature import Manifest
from bot.slack.lookups import Lookups
from bot.slack.messages import in_modal
from bot.slack.presses import Presses
from bot.slack.request import Ack, SlackRequest, input_value
from bot.slack.search_modal import FORM, LIMIT, MOMENT, PERSON, SearchModal, search_form
from bot.slack.signing import BadSignature, Kind, Signer
from bot.slack.targets import Targets
from bot.slack.typed_text import parse
from bot.slack.web_api import WebApi

FIND_SESSIONS: Final = "find_sessions"
OUTDATED: Final = "This window doesn't work anymore. Please open it again."
ONE_MOMENT: Final = "There is a time here and in the field below. Please give one."


@dataclass(frozen=True, slots=True)
class SearchForm:
    """Opens the form, and shows the results in its place."""

    manifest: ClassVar = Manifest(
        scopes={"commands": "The command and the shortcuts."},
        help=(
            "From anywhere:",
            "Find sessions, in the shortcuts menu, or the button above{free}",
        ),
    )

    settings: Settings
    audit: Audit
    web_api: WebApi
    signer: Signer
    lookups: Lookups
    search_modal: SearchModal
    presses: Presses
    targets: Targets
    delivery: Delivery
    background: BackgroundTasks

    def register(self, app: App) -> None:
        """Register the shortcut, the form and the button below its results."""
        app.shortcut(FIND_SESSIONS, EntryPoint.FORM, self.on_shortcut)
        app.view(FORM, EntryPoint.FORM, self.on_submit)
        app.action(action_ids.NEW_SEARCH, EntryPoint.FORM, self.on_new_search)

    async def on_shortcut(self, request: SlackRequest) -> Ack:
        """Open the form."""
        self.background.start(self.search_modal.open(request))
        return None

    async def on_new_search(self, request: SlackRequest) -> Ack:
        """Replace results with the empty form."""
        shown = request.body["view"]
        metadata = str(shown.get("private_metadata") or "")
        view = search_form(self.settings.slack_limits, metadata=metadata)
        await self.presses.begin(request.body)  # so that no earlier press replaces the form
        try:
            self.signer.verify(metadata, request.actor.user, Kind.CHANNEL)
        except BadSignature as error:
            view = self._outdated(request, error)
        self.background.start(self.web_api.update_modal(str(shown["id"]), view))
        return None

    async def on_submit(self, request: SlackRequest) -> Ack:
        """Show errors beside their inputs, or the results."""
        view, actor = request.body["view"], request.actor
        metadata = str(view.get("private_metadata") or "")
        try:
            channel = self.signer.verify(metadata, actor.user, Kind.CHANNEL)
        except BadSignature as error:
            return {"response_action": "update", "view": self._outdated(request, error)}
        moment = _moment(input_value(view, MOMENT, "selected_date_time"))
        search = self._read(view, moment)
        if isinstance(search, dict):
            return {"response_action": "errors", "errors": search}
        # A modal has no channel, but may have been opened in one.
        work = self.lookups.typed(search, replace(actor, channel=channel), COMMAND, moment)
        target = self.targets.modal(request.body, partial(in_modal, metadata=metadata))
        return await self.delivery.in_ack(work, request, target, note(texts.LOOKING))

    def _outdated(self, request: SlackRequest, error: BadSignature) -> View:
        self.audit.note_denial(request.actor, error.reason)
        return modal(texts.SEARCH_TITLE, note(OUTDATED)["blocks"])

    def _read(self, view: View, moment: Moment | None) -> Search | Several | dict[str, str]:
        """Return the search, or every error by its input."""
        limits = self.settings.slack_limits
        errors: dict[str, str] = {}
        typed = escape(str(input_value(view, PERSON) or ""))
        searches = self._searches(parse(typed, limits, *self.settings.grammar))
        if isinstance(searches, str):
            errors[PERSON] = searches
        elif moment and searches[0].at:
            errors[PERSON] = ONE_MOMENT
        how_many = "".join(str(input_value(view, LIMIT) or "").split())
        limit = parse_limit(how_many, limits) if how_many else None
        if isinstance(limit, Problem):
            errors[LIMIT] = texts.parse_error(ParseError(limit), limits)
        if moment and moment.time > datetime.now(UTC):
            errors[MOMENT] = texts.FUTURE_MOMENT
        if errors or isinstance(searches, str):
            return errors
        if isinstance(limit, int):
            searches = tuple(replace(one, limit=limit) for one in searches)
        return searches[0] if len(searches) == 1 else Several(searches)

    def _searches(self, parsed: Parsed) -> tuple[Search, ...] | str:
        """Return a search for each person in a text, or what is wrong with the text."""
        limits = self.settings.slack_limits
        match parsed:
            case Search():
                return (parsed,)
            case Several(searches):
                return searches
            case Help():
                return texts.parse_error(ParseError(Problem.NO_ONE), limits)
        sentence = texts.parse_error(parsed, limits)
        if parsed.proposal:
            sentence += f" {texts.did_you_mean(typed_form(parsed.proposal))}"
        return sentence


def _moment(seconds: Any) -> Moment | None:  # noqa: ANN401 - as Slack sends it
    if not seconds:
        return None
    time = datetime.fromtimestamp(int(seconds), UTC)
    span = timedelta(minutes=0 if time.second else 1)  # the picker has no seconds
    return Moment(time, of_message=False, span=span)
