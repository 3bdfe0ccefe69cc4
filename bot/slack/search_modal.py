"""The search form, which several features open: whose sessions, how many, and when.

https://docs.slack.dev/surfaces/modals
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Final

from bot.core.access import Actor, EntryPoint
from bot.core.query import Limits
from bot.errors import SlackError
from bot.settings import Settings
from bot.slack import texts
from bot.slack.api import MAX_FIELD
from bot.slack.blocks import (
    Block,
    Message,
    View,
    always,
    escape,
    input_block,
    modal,
    note,
    plain,
    section,
)
from bot.slack.lookups import Lookups
from bot.slack.messages import in_modal
from bot.slack.request import SlackRequest
from bot.slack.signing import Kind, Signer
from bot.slack.targets import ReplyTarget
from bot.slack.web_api import WebApi

FORM: Final = "find_sessions_form"
PERSON: Final = "person"
LIMIT: Final = "limit"
MOMENT: Final = "moment"


class SearchModal:
    """Opens the search form."""

    def __init__(
        self, web_api: WebApi, lookups: Lookups, signer: Signer, settings: Settings
    ) -> None:
        self._web_api = web_api
        self._lookups = lookups
        self._signer = signer
        self._limits = settings.slack_limits

    def results(self, message: Message, actor: Actor) -> View:
        """Return the modal with a message, as if the form had been submitted."""
        metadata = self._signer.sign(actor.channel, actor.user, Kind.CHANNEL)
        return in_modal(message, metadata, is_final=False)

    async def open(
        self,
        request: SlackRequest,
        reason: str = "",
        moment: datetime | None = None,
        person: str = "",
        fallback: tuple[ReplyTarget, str] | None = None,
    ) -> None:
        """Open the form at once, then tell a person in it who may not search.

        `reason` is shown above it; `moment` and `person` are filled in. If the form can't be
        opened, `fallback` says where to tell the person, and what.
        """
        actor = replace(request.actor, entry_point=EntryPoint.FORM)
        metadata = self._signer.sign(actor.channel, actor.user, Kind.CHANNEL)
        view = search_form(self._limits, reason, moment, person, metadata)
        view_id = await self._web_api.open_modal(request.body, view)
        if not view_id:
            if fallback:
                target, sentence = fallback
                await target.send(always(note(sentence)))
        elif denied := await self._lookups.denied(actor):
            try:
                await self._web_api.update_modal(
                    view_id, modal(texts.SEARCH_TITLE, denied["blocks"])
                )
            except SlackError:
                return  # logged; submitting the form is denied, too


def search_form(
    limits: Limits,
    reason: str = "",
    moment: datetime | None = None,
    person: str = "",
    metadata: str = "",
) -> View:
    """Return the form; Slack sends `metadata` back when it is submitted."""
    who: Block = {"type": "plain_text_input"} | ({"initial_value": person} if person else {})
    how_many = {"type": "plain_text_input", "placeholder": plain(str(limits.default), MAX_FIELD)}
    when: Block = {"type": "datetimepicker"}
    if moment:
        when["initial_date_time"] = int(moment.timestamp())
    hint = "The session that started closest before it comes first."
    blocks = [
        *([section(escape(reason))] if reason else []),
        input_block(PERSON, "E-mail or uid", who),
        input_block(LIMIT, "How many", how_many, is_optional=True),
        input_block(MOMENT, "When did it happen?", when, hint, is_optional=True),
    ]
    return modal(texts.SEARCH_TITLE, blocks, FORM, "Find", metadata)
