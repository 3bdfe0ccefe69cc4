"""What people write to the bot: `@fsessions jane@example.com`, or a direct message.

- https://docs.slack.dev/reference/events/app_mention
- https://docs.slack.dev/reference/events/message.im
"""

from __future__ import annotations

import re
from typing import Any, Final

import structlog
from slack_bolt.context.async_context import AsyncBoltContext

from bot import labels
from bot.errors import SlackError
from bot.messages import asked_in
from bot.parsing import Help, Limits, Parsed, Problem, Refused, Unresolved
from bot.sessions import Query
from bot.slack import blocks, wording
from bot.slack.answers import Answers
from bot.slack.blocks import Message
from bot.slack.delivery import Delivery, Send
from bot.slack.once import Once
from bot.slack.posts import Posts
from bot.slack.profiles import Lack, ProfileError, Profiles
from bot.slack.workspace import Own, Workspace, by_person

_log = structlog.get_logger()

# Edits, deletions and the like are no questions.
_WRITTEN: Final = frozenset({None, "file_share", "me_message", "thread_broadcast"})
# A lone word is a uid for the command. Here it may be "thanks", unless it looks like an id: a digit
# beside a letter, a label, or nothing but numbers. "Call 911" asks for nobody.
_NAMES_SOMEBODY: Final = re.compile(
    rf"[@＠_]|<mailto:|\b{labels.UID}\b|[^\W\d_]-?\d|\d-?[^\W\d_]|^[\s\d]+$", re.IGNORECASE
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
        profiles: Profiles,
        workspace: Workspace,
    ) -> None:
        self._profiles = profiles
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
            work = self._answered(event)
            self._delivery.reply(work, context["acknowledged"], self._to(event))

    def _to(self, event: dict[str, Any]) -> Send:
        channel, user = str(event["channel"]), str(event["user"])
        thread = str(event.get("thread_ts") or "")

        async def send(message: Message) -> None:
            try:
                if channel.startswith("D"):
                    await self._posts.post(channel, message, thread)
                    return
                try:
                    await self._posts.show(channel, user, message, thread)
                except SlackError as error:
                    # A person who was mentioned by a link, or has left: the answer finds them.
                    _log.warning("answer not shown in the channel", exc_info=error)
                    await self._posts.post(user, message)
            except SlackError as error:
                _log.error("answer not delivered", exc_info=error)

        return send

    async def _answered(self, event: dict[str, Any]) -> Message:
        try:
            own = await self._workspace.own()
        except SlackError as error:
            _log.warning("auth.test failed", exc_info=error)
            return blocks.note(wording.SLACK_TROUBLE)
        if reason := await self._refused(event, own):
            return blocks.note(reason)
        limits, asker = self._answers.limits, str(event["user"])
        match asked(str(event.get("text") or ""), own, limits):
            case Query() as query:
                return await self._answers.to(query, asker, posted=True)
            case Unresolved() as unresolved:
                return await self._answers.resolved(
                    unresolved, asker, own.team, self._command, posted=True
                )
            case Help():
                return blocks.help_message(self._command, limits)
            case Refused(problem) if problem in _SMALL_TALK:
                return blocks.note(wording.MENTION_HELP)
            case Refused() as refused:
                return blocks.refusal(refused, self._command, limits)

    async def _refused(self, event: dict[str, Any], own: Own) -> str:
        """Why somebody is not answered, or "": they may be of another organisation.

        Of which they are does not stand in every event.
        """
        if (event.get("user_team") or event.get("team")) == own.team:
            return ""
        try:
            belongs = await self._profiles.belongs(str(event["user"]), own.team)
        except ProfileError as error:
            if error.lack is not Lack.STRANGER:
                return wording.lacking(error.lack.name)
            belongs = False
        return "" if belongs else wording.NOT_OF_THIS_WORKSPACE


def asked(text: str, own: Own, limits: Limits) -> Parsed:
    """Whose sessions a message to the bot asks for."""
    words = re.sub(rf"<@{own.user}(?:\|[^<>]*)?>[,:]?", " ", text).strip()
    parsed = asked_in(words, limits)
    if isinstance(parsed, Help | Unresolved) or _NAMES_SOMEBODY.search(words):
        return parsed
    return Refused(Problem.UNCLEAR, "", "")
