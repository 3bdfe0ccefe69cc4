"""Messages to the bot: `@fsessions jane@example.com` in a channel, or a direct message.

- https://docs.slack.dev/reference/events/app_mention
- https://docs.slack.dev/reference/events/message.im
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, Final

import structlog

from bot.core.access import Actor, DenialReason, EntryPoint
from bot.core.audit import Audit
from bot.core.labels import Labels
from bot.core.query import Help, Parsed, ParseError, Problem, Search, Several
from bot.errors import SlackError
from bot.settings import Settings
from bot.slack import texts
from bot.slack.app import COMMAND, App
from bot.slack.blocks import Renderer, always, note
from bot.slack.delivery import Delivery
from bot.slack.feature import Manifest
from bot.slack.lookups import Lookups
from bot.slack.message_parser import MAX_CHARACTERS
from bot.slack.request import Ack, SlackRequest
from bot.slack.targets import Targets
from bot.slack.typed_text import parse
from bot.slack.web_api import BotIdentity, WebApi, is_by_person

_log = structlog.get_logger()

# Edits, deletions and the like are not questions.
_WRITTEN: Final = frozenset({None, "file_share", "me_message", "thread_broadcast"})
_SMALL_TALK: Final = frozenset({Problem.NO_ONE, Problem.UNCLEAR, Problem.CHANNEL, Problem.MENTION})


@dataclass(frozen=True, slots=True)
class Mentions:
    """Answers messages to the bot; in a channel, only the person who asked sees the answer."""

    manifest: ClassVar = Manifest(
        events=("app_mention", "message.im"),
        scopes={
            "app_mentions:read": '"@fsessions jane@example.com".',
            "im:history": "Direct messages to the bot.",
            "chat:write": "Answers to mentions and direct messages.",
        },
        help=("Ask me:", "{bot} jane@example.com in a channel that I am in{direct}"),
    )

    settings: Settings
    audit: Audit
    web_api: WebApi
    lookups: Lookups
    targets: Targets
    delivery: Delivery

    def register(self, app: App) -> None:
        """Register both ways to write to the bot."""
        app.event("app_mention", EntryPoint.MENTION, self.on_message)
        app.event("message.im", EntryPoint.DIRECT_MESSAGE, self.on_message)

    async def on_message(self, request: SlackRequest) -> Ack:
        """Answer each message once, after the ack."""
        event, actor = request.body["event"], request.actor
        if not is_by_person(event) or event.get("subtype") not in _WRITTEN:
            return None
        if await request.job.take("answered message", actor.channel, str(event["ts"])):
            thread = str(event.get("thread_ts") or "")
            target = self.targets.for_user(actor.channel, actor.user, thread)
            self.delivery.after_ack(self._answer(event, actor), request, target)
        return None

    async def _answer(self, event: dict[str, Any], actor: Actor) -> Renderer:
        try:
            bot = await self.web_api.bot_identity()
        except SlackError as error:
            _log.warning("auth.test failed", exc_info=error)
            self.audit.note_denial(actor, DenialReason.NOT_KNOWN)
            return always(note(texts.SLACK_TROUBLE))
        parsed = parse_mention(str(event.get("text") or ""), bot, self.settings)
        if isinstance(parsed, Search):
            return await self.lookups.typed(parsed, actor, COMMAND)
        is_small_talk = isinstance(parsed, ParseError) and parsed.problem in _SMALL_TALK
        is_vague = is_small_talk or isinstance(parsed, Help | Several)
        people = self.lookups.people_in(event) if is_vague else ()
        # A forwarded message or an e-mail says more than the text that came with it.
        if len(people) >= (len(parsed.searches) if isinstance(parsed, Several) else 1):
            return await self.lookups.message(people, event, actor)
        if denied := await self.lookups.denied(actor):
            return always(denied)
        if isinstance(parsed, ParseError) and is_small_talk and not parsed.proposal:
            return always(note(texts.ASK_ME))
        return await self.lookups.typed(parsed, actor, COMMAND)


def parse_mention(text: str, bot: BotIdentity, settings: Settings) -> Parsed:
    """Find out whose sessions a message to the bot asks for."""
    text = text[:MAX_CHARACTERS]
    words = re.sub(rf"<@{bot.user}(?:\|[^<>]*)?>[,:]?", " ", text).strip()
    parsed = parse(words, settings.slack_limits, *settings.grammar)
    is_lone_word = isinstance(parsed, Search) and not (parsed.email or parsed.mention)
    if is_lone_word and not _names_someone(settings.labels).search(words):
        return ParseError(Problem.UNCLEAR)
    return parsed


@cache
def _names_someone(labels: Labels) -> re.Pattern[str]:
    """Match what looks like an id: a digit beside a letter, a label, or nothing but numbers.

    For the command, a lone word is a uid. Here it may be "thanks", and "call 911" asks for no one.
    """
    return re.compile(
        rf"[@\uff20_]|<mailto:|\b{labels}\b|[^\W\d_]-?\d|\d-?[^\W\d_]|^[\s\d]+$", re.IGNORECASE
    )
