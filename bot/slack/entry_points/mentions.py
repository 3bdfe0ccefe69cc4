"""What people write to the bot: `@fsessions jane@example.com`, or a direct message.

- https://docs.slack.dev/reference/events/app_mention
- https://docs.slack.dev/reference/events/message.im
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

import structlog
from slack_bolt.context.async_context import AsyncBoltContext

from bot.errors import SlackError
from bot.lookup.access import Actor, EntryPoint
from bot.sessions import Query
from bot.slack.api.identity import BotIdentity, Workspace, by_person
from bot.slack.api.posts import Posts
from bot.slack.replies.answers import Answers
from bot.slack.replies.delivery import Delivery
from bot.slack.requests import actor_in
from bot.slack.ui import listing as blocks
from bot.slack.ui import wording
from bot.slack.ui.listing import Message
from bot.slack.ui.reading import MAX_CHARACTERS, parse_free_text
from bot.state.in_memory import Once
from bot.typed import labels
from bot.typed.query import Help, Limits, Parsed, Problem, QueryNeedingProfile, Refused

_log = structlog.get_logger()

# Edits, deletions and the like are no questions.
_WRITTEN: Final = frozenset({None, "file_share", "me_message", "thread_broadcast"})
# A lone word is a uid for the command. Here it may be "thanks", unless it looks like an id: a digit
# beside a letter, a label, or nothing but numbers. "Call 911" asks for nobody.
_NAMES_SOMEBODY: Final = re.compile(
    rf"[@\uff20_]|<mailto:|\b{labels.UID}\b|[^\W\d_]-?\d|\d-?[^\W\d_]|^[\s\d]+$", re.IGNORECASE
)
_SMALL_TALK: Final = frozenset({Problem.NOBODY, Problem.UNCLEAR, Problem.CHANNEL, Problem.MENTION})


class Mentions:
    """Answers what is written to the bot."""

    def __init__(
        self,
        command: str,
        answers: Answers,
        delivery: Delivery,
        posts: Posts,
        workspace: Workspace,
    ) -> None:
        self._command = command
        self._answers = answers
        self._delivery = delivery
        self._posts = posts
        self._workspace = workspace
        self._messages = Once()

    async def answer(self, body: dict[str, Any], context: AsyncBoltContext) -> None:
        """The listener. In a channel, nobody but who asked sees the answer."""
        event = body["event"]
        if not by_person(event) or event.get("subtype") not in _WRITTEN:
            return
        if self._messages.first((event["channel"], event["ts"])):
            direct = event.get("channel_type") == "im"
            entry_point = EntryPoint.DIRECT_MESSAGE if direct else EntryPoint.MENTION
            work = self._answered(event, actor_in(body, entry_point))
            self._delivery.reply(work, context["acknowledged"], _Place(self._posts, event))

    async def _answered(self, event: dict[str, Any], actor: Actor) -> Message:
        try:
            own = await self._workspace.own()
        except SlackError as error:
            _log.warning("auth.test failed", exc_info=error)
            return blocks.note(wording.SLACK_TROUBLE)
        limits = self._answers.limits
        if refusal := await self._answers.refusal(actor):
            return blocks.note(wording.not_for(refusal))
        match asked(str(event.get("text") or ""), own, limits):
            case Query() as query:
                return await self._answers.answer(query, actor, posted=True)
            case QueryNeedingProfile() as unresolved:
                return await self._answers.resolve_and_answer(
                    unresolved, actor, self._command, posted=True
                )
            case Help():
                return blocks.help_message(self._command, limits)
            case Refused(problem) if problem in _SMALL_TALK:
                return blocks.note(wording.MENTION_HELP)
            case Refused() as refused:
                return blocks.refusal(refused, self._command, limits)


class _Place:
    """Where somebody wrote to the bot: direct messages, or a channel, where they alone see it."""

    def __init__(self, posts: Posts, event: dict[str, Any]) -> None:
        self._posts = posts
        self._channel, self._user = str(event["channel"]), str(event["user"])
        self._thread = str(event.get("thread_ts") or "")
        self._is_direct = self._channel.startswith("D")
        self._courtesy = ""  # the `ts` of what the answer takes the place of

    async def send(self, message: Message, wanted: Callable[[], bool] | None = None) -> None:
        """In a direct message the answer replaces what was said meanwhile."""
        del wanted  # nothing else takes the place of an answer here
        try:
            if not self._is_direct:
                await self._show(message)
                return
            if self._courtesy:
                try:
                    await self._posts.update(self._channel, self._courtesy, message)
                except SlackError as error:
                    _log.warning("message not replaced", exc_info=error)
                else:
                    return
            await self._posts.post_message(self._channel, message, self._thread)
        except SlackError as error:
            _log.error("answer not delivered", exc_info=error)

    async def say_meanwhile(self, message: Message) -> None:
        """Slack replaces no message that one person alone sees, so it stays there."""
        try:
            if self._is_direct:
                self._courtesy = await self._posts.post_message_once(
                    self._channel, message, self._thread
                )
            else:
                await self._posts.post_ephemeral_once(
                    self._channel, self._user, message, self._thread
                )
        except SlackError as error:
            _log.warning("courtesy not delivered", exc_info=error)

    async def _show(self, message: Message) -> None:
        try:
            await self._posts.post_ephemeral(self._channel, self._user, message, self._thread)
        except SlackError as error:
            # A person who was mentioned by a link, or has left: the answer finds them.
            _log.warning("answer not shown in the channel", exc_info=error)
            await self._posts.post_message(self._user, message)


def asked(text: str, own: BotIdentity, limits: Limits) -> Parsed:
    """Whose sessions a message to the bot asks for."""
    text = text[:MAX_CHARACTERS]
    words = re.sub(rf"<@{own.user}(?:\|[^<>]*)?>[,:]?", " ", text).strip()
    parsed = parse_free_text(words, limits)
    if isinstance(parsed, Help | QueryNeedingProfile) or _NAMES_SOMEBODY.search(words):
        return parsed
    return Refused(Problem.UNCLEAR, "", "")
