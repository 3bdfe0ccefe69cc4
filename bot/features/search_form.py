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
from bot.core.query import Help, ParseError, Problem, Search, Several, parse_limit, typed_form
from bot.core.sessions import Moment
from bot.settings import Settings
from bot.slack import texts
from bot.slack.app import COMMAND, App
from bot.slack.background import BackgroundTasks
from bot.slack.blocks import Message, View, actions, button, escape, modal, note
from bot.slack.delivery import Delivery
from bot.slack.feature import Manifest
from bot.slack.lookups import Lookups
from bot.slack.request import Ack, SlackRequest, input_value
from bot.slack.search_modal import FORM, LIMIT, MOMENT, PERSON, TITLE, SearchModal, search_form
from bot.slack.signing import BadSignature, Kind, Signer
from bot.slack.targets import Targets
from bot.slack.typed_text import parse
from bot.slack.web_api import WebApi

FIND_SESSIONS: Final = "find_sessions"
NEW_SEARCH: Final = "new_search"
RESULTS: Final = "find_sessions_results"
LOOKING: Final = "Looking … The sessions will appear here. You can close this window any time."
OUTDATED: Final = "This window doesn't work anymore. Please open it again."
ONE_MOMENT: Final = "There is a time here and in the field below. Please give one."
ONE_PERSON: Final = "I look up one person at a time. Please give one."


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
    targets: Targets
    delivery: Delivery
    background: BackgroundTasks

    def register(self, app: App) -> None:
        """Register the shortcut, the form and the button below its results."""
        app.shortcut(FIND_SESSIONS, EntryPoint.FORM, self.on_shortcut)
        app.view(FORM, EntryPoint.FORM, self.on_submit)
        app.action(NEW_SEARCH, EntryPoint.FORM, self.on_new_search)

    async def on_shortcut(self, request: SlackRequest) -> Ack:
        """Open the form."""
        self.background.start(self.search_modal.open(request))
        return None

    async def on_new_search(self, request: SlackRequest) -> Ack:
        """Replace results with the empty form."""
        shown = request.body["view"]
        metadata = str(shown.get("private_metadata") or "")
        view = search_form(self.settings.slack_limits, metadata=metadata)
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
        if not isinstance(search, Search):
            return {"response_action": "errors", "errors": search}
        # A modal has no channel, but may have been opened in one.
        work = self.lookups.typed(search, replace(actor, channel=channel), COMMAND, moment)
        target = self.targets.modal(view, partial(results, metadata=metadata), actor.user)
        return await self.delivery.in_ack(work, request, target, note(LOOKING))

    def _outdated(self, request: SlackRequest, error: BadSignature) -> View:
        self.audit.note_denial(request.actor, error.reason)
        return modal(TITLE, note(OUTDATED)["blocks"])

    def _read(self, view: View, moment: Moment | None) -> Search | dict[str, str]:
        """Return the search, or every error by its input."""
        limits = self.settings.slack_limits
        errors: dict[str, str] = {}
        parsed = parse(escape(str(input_value(view, PERSON) or "")), limits, *self.settings.grammar)
        match parsed:
            case Search(at=at):
                if at and moment:
                    errors[PERSON] = ONE_MOMENT
            case Several():
                errors[PERSON] = ONE_PERSON
            case Help():
                errors[PERSON] = texts.parse_error(ParseError(Problem.NO_ONE), limits)
            case ParseError() as error:
                errors[PERSON] = texts.parse_error(error, limits)
                if error.proposal:
                    errors[PERSON] += f" {texts.did_you_mean(typed_form(error.proposal))}"
        how_many = "".join(str(input_value(view, LIMIT) or "").split())
        limit = parse_limit(how_many, limits) if how_many else None
        if isinstance(limit, Problem):
            errors[LIMIT] = texts.parse_error(ParseError(limit), limits)
        if moment and moment.time > datetime.now(UTC):
            errors[MOMENT] = texts.FUTURE_MOMENT
        if errors or not isinstance(parsed, Search):
            return errors
        return replace(parsed, limit=limit) if isinstance(limit, int) else parsed


def _moment(seconds: Any) -> Moment | None:  # noqa: ANN401 - as Slack sends it
    if not seconds:
        return None
    time = datetime.fromtimestamp(int(seconds), UTC)
    span = timedelta(minutes=0 if time.second else 1)  # the picker has no seconds
    return Moment(time, of_message=False, span=span)


def results(message: Message, metadata: str = "", *, is_final: bool = True) -> View:
    """Show a message in the modal, with a button for a new search if it is final.

    Before the results are there, they would replace the new search.
    """
    again = [actions(button(NEW_SEARCH, "New search", NEW_SEARCH))] if is_final else []
    return modal(TITLE, [*message["blocks"], *again], RESULTS, metadata=metadata)
