"""What every entry point works with, as one value."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from bot.core.access import DenialReason, EntryPoint
from bot.core.read_audit import ReadAudit
from bot.core.sessions import Query
from bot.settings import Settings
from bot.slack import modals, texts
from bot.slack.answers import Answers
from bot.slack.background import BackgroundTasks
from bot.slack.blocks import always, note
from bot.slack.delivery import Delivery
from bot.slack.presses import Presses
from bot.slack.request import SlackRequest
from bot.slack.signing import Kind, Outdated, WrongUser
from bot.slack.slack_api import SlackApi
from bot.slack.targets import ReplyTarget, Targets
from bot.slack.views import Views
from bot.store.protocol import Jobs, State
from bot.timeouts import Timeouts


@dataclass(frozen=True, slots=True)
class Services:
    """`command` is the slash command's name; `help_lines` name the ways to ask, and how."""

    command: str
    settings: Settings
    timeouts: Timeouts
    state: State
    jobs: Jobs
    slack: SlackApi
    answers: Answers
    read_audit: ReadAudit
    targets: Targets
    delivery: Delivery
    background: BackgroundTasks
    views: Views
    presses: Presses
    help_lines: tuple[tuple[str, str], ...]

    def pressed_query(self, request: SlackRequest, kind: Kind = Kind.LOOK) -> Query | None:
        """What the pressed button was made for; if it can't be used, the person is told so."""
        try:
            return self.answers.verify_value(value_of(request), request.actor.user, kind)
        except (WrongUser, Outdated) as error:
            refusal = self.refuse_sealed(request, error)
            self.tell_beside(texts.not_for(refusal), request)
        return None

    def refuse_sealed(self, request: SlackRequest, error: WrongUser | Outdated) -> DenialReason:
        """Records what was pressed or sent by the wrong person, or is forged or too old."""
        is_of_another = isinstance(error, WrongUser)
        refusal = DenialReason.WRONG_USER if is_of_another else DenialReason.OUTDATED
        self.answers.note_refusal(request.actor, refusal)
        return refusal

    async def open_form(
        self,
        request: SlackRequest,
        reason: str = "",
        moment: datetime | None = None,
        person: str = "",
        otherwise: tuple[ReplyTarget, str] | None = None,
    ) -> None:
        """Opens the form, at once; then who may not search is told so in it.

        `reason` stands above it, `moment` and `person` are filled in. Where it can't be opened, the
        person is told: `otherwise` says where, and how.
        """
        actor = replace(request.actor, entry_point=EntryPoint.FORM)
        metadata = self.answers.seal(actor.channel, actor.user, Kind.CHANNEL)
        view = modals.form(self.answers.limits, reason, moment, person, metadata)
        view_id = await self.views.open(request.body["trigger_id"], view)
        if not view_id:
            if otherwise:
                target, sentence = otherwise
                await target.send(always(note(sentence)))
        elif refused := await self.answers.refusal(actor):
            window = modals.note_window(texts.FORM_TITLE, refused)
            await self.views.update(view_id, window)

    def tell_beside(self, sentence: str, request: SlackRequest) -> None:
        """Tells who pressed a button something, beside the message it belongs to."""
        target = self.targets.beside(request.body)
        self.delivery.send_after_ack(note(sentence), request, target)


def value_of(request: SlackRequest) -> str:
    """The value of the pressed button, or of the entry that was chosen from a menu."""
    action = request.body["actions"][0]
    if action.get("type") == "overflow":
        return str(action["selected_option"]["value"]).partition(" ")[2]
    return str(action["value"])
