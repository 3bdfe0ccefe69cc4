"""The buttons and the menu of an answer, and those of a choice between people.

A press has a response_url of its own, which can replace the message that was pressed. The latest
press of a message counts: answers to earlier ones are not sent anymore.
https://docs.slack.dev/interactivity/handling-user-interaction
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import ClassVar, Final

from bot.core.access import EntryPoint
from bot.core.audit import Audit, Result
from bot.core.outcomes import RESTARTING
from bot.core.query import typed_form
from bot.settings import Settings
from bot.slack import action_ids, texts
from bot.slack.app import COMMAND, App
from bot.slack.background import BackgroundTasks
from bot.slack.blocks import View, code, escape, header, modal, section
from bot.slack.delivery import Delivery
from bot.slack.feature import Manifest
from bot.slack.lookups import Lookups
from bot.slack.messages import note_with_retry
from bot.slack.presses import Presses
from bot.slack.request import Ack, SlackRequest, pressed_value
from bot.slack.search_modal import SearchModal
from bot.slack.signing import BadSignature, Signer
from bot.slack.targets import Targets
from bot.slack.web_api import WebApi

PRIVACY: Final = (
    "Answers are for you alone, unless you share them.",
    texts.SIGN_IN,
    "Guests and people of other organizations are shown no sessions.",
    "Your lookups are recorded, without the customer's address or uid.",
)
RECENT: Final = "Your latest lookups stay in my Home for {hours}, for you alone."


@dataclass(frozen=True, slots=True)
class AnswerButtons:
    """Answers presses."""

    manifest: ClassVar = Manifest()

    settings: Settings
    audit: Audit
    signer: Signer
    web_api: WebApi
    lookups: Lookups
    presses: Presses
    search_modal: SearchModal
    targets: Targets
    delivery: Delivery
    background: BackgroundTasks

    def register(self, app: App) -> None:
        """Register every button of an answer but *Share…*."""
        for action_id, handler in (
            (action_ids.WATCH_REPLAY, self.on_link),
            (action_ids.SHOW_MORE, self.on_look_again),
            (action_ids.REFRESH, self.on_look_again),
            (re.compile(f"{action_ids.CHOOSE}:\\d"), self.on_look_again),
            (action_ids.ANSWER_MENU, self.on_menu),
            (action_ids.HELP, self.on_help),
            (action_ids.SEARCH_AGAIN, self.on_search_again),
            (action_ids.EDIT, self.on_edit),
        ):
            app.action(action_id, EntryPoint.BUTTON, handler)

    async def on_link(self, request: SlackRequest) -> Ack:
        """Record who opens which customer's replay. The link opens by itself.

        A shared message doesn't say whose replay it is, and neither does its event.
        """
        value, query = str(request.body["actions"][0].get("value")), None
        with suppress(BadSignature):
            query = self.signer.verify_query(value, request.actor.user)
        self.audit.note(self.presses.actor(request), Result.OPENED, query=query)
        return None

    async def on_look_again(self, request: SlackRequest) -> Ack:
        """Replace the message: *Refresh*, *Show more*, *Try again*, or a choice."""
        body = request.body
        query = self.presses.query(request)
        if query is None:
            await request.job.done()
            return None
        is_current = await self.presses.begin(body, request.job)
        if await request.job.take_interaction():
            value = pressed_value(body)
            self.delivery.after_ack(
                self.lookups.query(
                    replace(query, shown=None, is_fresh=True), self.presses.actor(request)
                ),
                request,
                self.targets.in_place(body),
                is_current=is_current,
                # Both replace the sessions, so they have a way back to them.
                progress=note_with_retry(texts.STILL_LOOKING, value),
                shutdown_notice=note_with_retry(RESTARTING, value),
            )
        return None

    async def on_menu(self, request: SlackRequest) -> Ack:
        """Do what was chosen in the overflow menu."""
        chosen = str(request.body["actions"][0]["selected_option"]["value"]).partition(" ")[0]
        match chosen:
            case action_ids.REFRESH:
                return await self.on_look_again(request)
            case action_ids.DISMISS:
                return await self._dismiss(request)
            case _:
                return await self.on_help(request)

    async def _dismiss(self, request: SlackRequest) -> Ack:
        """Delete the message, however old it is."""
        is_current = await self.presses.begin(request.body)
        target = self.targets.deletion(request.body)
        self.delivery.message_after_ack({}, request, target, is_current)
        return None

    async def on_help(self, request: SlackRequest) -> Ack:
        """Open a modal with everything that can be typed."""
        view = help_modal(COMMAND, self.settings)
        self.background.start(self.web_api.open_modal(request.body, view))
        return None

    async def on_search_again(self, request: SlackRequest) -> Ack:
        """Open the form with the person filled in."""
        if query := self.presses.query(request):
            opening = self.search_modal.open(
                request,
                moment=query.moment.time if query.moment else None,
                person=typed_form(query, with_limit=False),
                fallback=(self.targets.beside(request.body), texts.MODAL_NOT_OPENED),
            )
            self.background.start(opening)
        return None

    async def on_edit(self, request: SlackRequest) -> Ack:
        """Open the form with what was typed filled in."""
        typed = self.presses.text(request)
        if typed is not None:
            fallback = (self.targets.beside(request.body), texts.MODAL_NOT_OPENED)
            opening = self.search_modal.open(request, person=typed, fallback=fallback)
            self.background.start(opening)
        return None


def help_modal(command: str, settings: Settings) -> View:
    """Show everything that can be typed, and who sees what."""
    examples = texts.examples(command, settings.slack_limits)
    privacy = [*PRIVACY]
    if hours := settings.hours_in_home:
        privacy.append(RECENT.format(hours=texts.counted(hours, "hour")))
    blocks = [
        section(escape(texts.HELP_INTRO)),
        section("\n".join(f"{code(typed)}  {escape(meaning)}" for typed, meaning in examples)),
        header("Who sees what"),
        section("\n".join(f"• {escape(line)}" for line in privacy)),
    ]
    return modal(texts.HELP_TITLE, blocks)
