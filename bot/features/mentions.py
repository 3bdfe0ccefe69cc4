"""What people write to the bot: `@fsessions jane@example.com`, or a direct message.

- https://docs.slack.dev/reference/events/app_mention
- https://docs.slack.dev/reference/events/message.im
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any, Final

import structlog

from bot.core.access import Actor, DenialReason, EntryPoint
from bot.core.labels import Labels
from bot.core.query import Help, Limits, Parsed, ParseError, Problem, QueryNeedingProfile
from bot.core.sessions import Query
from bot.errors import SlackError
from bot.settings import Settings
from bot.slack import texts
from bot.slack.blocks import Renderer, always, note
from bot.slack.identity import BotIdentity, by_person
from bot.slack.message_parser import MAX_CHARACTERS, parse_free_text
from bot.slack.request import Route, SlackRequest
from bot.slack.services import Services

_log = structlog.get_logger()

# Edits, deletions and the like are no questions.
_WRITTEN: Final = frozenset({None, "file_share", "me_message", "thread_broadcast"})
_SMALL_TALK: Final = frozenset({Problem.NOBODY, Problem.UNCLEAR, Problem.CHANNEL, Problem.MENTION})
_SEVERAL: Final = frozenset({Problem.TWO_ADDRESSES, Problem.TWO_UIDS})


class Mentions:
    """Answers what is written to the bot; in a channel, nobody but who asked sees the answer."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def routes(self) -> tuple[Route, ...]:
        """Both ways of writing to the bot."""
        return (
            Route("event", "app_mention", EntryPoint.MENTION, self.written),
            Route("event", "message.im", EntryPoint.DIRECT_MESSAGE, self.written),
        )

    async def written(self, request: SlackRequest) -> None:
        """Answers each message once, after the ack."""
        services, event = self._services, request.body["event"]
        if not by_person(event) or event.get("subtype") not in _WRITTEN:
            return
        channel, user = request.actor.channel, request.actor.user
        if await request.job.take("answered message", channel, str(event["ts"])):
            work = self._answer(event, request.actor)
            target = services.targets.of_person(channel, user, str(event.get("thread_ts") or ""))
            services.delivery.answer_after_ack(work, request, target)

    async def _answer(self, event: dict[str, Any], actor: Actor) -> Renderer:
        services = self._services
        try:
            bot = await services.slack.workspace.bot_identity()
        except SlackError as error:
            _log.warning("auth.test failed", exc_info=error)
            services.answers.note_refusal(actor, DenialReason.NOT_KNOWN)
            return always(note(texts.SLACK_TROUBLE))
        text = str(event.get("text") or "")
        parsed = asked(text, bot, services.answers.limits, services.settings)
        names_nobody = not isinstance(parsed, Query | QueryNeedingProfile)
        if names_nobody and (refused := await services.answers.refusal(actor)):
            return always(refused)
        problem = parsed.problem if isinstance(parsed, ParseError) else None
        if isinstance(parsed, Help) or problem in _SMALL_TALK | _SEVERAL:
            # A forwarded message or an e-mail says more than the text that came along.
            people = services.answers.people_in(event)
            if people:
                return await services.answers.to_message(people, event, actor)
        if problem in _SMALL_TALK:
            return always(note(texts.MENTION_HELP))
        return await services.answers.to_text(parsed, actor, services.command)


def asked(text: str, bot: BotIdentity, limits: Limits, settings: Settings) -> Parsed:
    """Whose sessions a message to the bot asks for."""
    text = text[:MAX_CHARACTERS]
    words = re.sub(rf"<@{bot.user}(?:\|[^<>]*)?>[,:]?", " ", text).strip()
    labels = settings.labels
    parsed = parse_free_text(words, limits, labels, settings.internal_domains)
    if isinstance(parsed, Help | QueryNeedingProfile) or _names_somebody(labels).search(words):
        return parsed
    return ParseError(Problem.UNCLEAR, "", "")


@cache
def _names_somebody(labels: Labels) -> re.Pattern[str]:
    """A lone word is a uid for the command. Here it may be "thanks", unless it looks like an id.

    That is: a digit beside a letter, a label, or nothing but numbers. "Call 911" asks for nobody.
    """
    return re.compile(
        rf"[@\uff20_]|<mailto:|\b{labels}\b|[^\W\d_]-?\d|\d-?[^\W\d_]|^[\s\d]+$", re.IGNORECASE
    )
