"""Where one person looks for an answer; each place knows how much it holds, and what to do instead.

- A response_url needs no membership, and holds most: for commands, shortcuts, presses.
- Where there is none, the bot posts: to one person in a channel, or as a direct message.

Where a place doesn't take a message, the next best one does: people are not left without a word.
Where Slack may have taken it, and doesn't say so, it is not sent again: the next place says that.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

import structlog

from bot.errors import SlackError
from bot.slack import texts
from bot.slack.blocks import (
    DIRECT,
    POSTED,
    RESPONSE_URL,
    Message,
    Renderer,
    SizeLimit,
    always,
    note,
)
from bot.slack.posts import Posts
from bot.slack.response_url import IsCurrent, Posted, ResponseUrls, always_current

_log = structlog.get_logger()

UNCONFIRMED: Final = always(note(texts.UNCONFIRMED))
"""Where Slack may have taken an answer, and did not say so."""


class ReplyTarget(Protocol):
    """Where one person looks for an answer."""

    @property
    def size_limit(self) -> SizeLimit:
        """How much it holds."""

    @property
    def is_repeatable(self) -> bool:
        """Whether what is sent twice is seen once: it takes the place of what was there."""

    async def send(self, renderer: Renderer, is_current: IsCurrent = always_current) -> None:
        """Brings the answer, with more than one attempt if need be, while it is `is_current`."""

    async def send_progress(self, message: Message) -> None:
        """Brings a courtesy: one attempt. The answer takes its place where Slack allows that."""


class AckTarget(ReplyTarget, Protocol):
    """One that an ack can fill, too."""

    def as_ack(self, message: Message, *, final: bool) -> dict[str, Any]:
        """What to acknowledge with; if it is not `final`, another message follows."""


@dataclass(slots=True)
class ResponseUrlTarget:
    """A response_url; `fields` are added to each message: what it replaces, and in which thread.

    `otherwise` is the place for an answer that the response_url doesn't take. `pressed` names the
    message that is replaced: an answer waits until an earlier "still looking" for that message was
    sent.
    """

    urls: ResponseUrls
    url: str
    fields: Message
    otherwise: ReplyTarget | None = None
    pressed: str = ""
    size_limit: SizeLimit = RESPONSE_URL

    @property
    def is_repeatable(self) -> bool:
        """See the protocol."""
        return bool(self.fields.get("replace_original") or self.fields.get("delete_original"))

    def as_ack(self, message: Message, *, final: bool) -> dict[str, Any]:
        """See the protocol."""
        del final
        return message

    async def send(self, renderer: Renderer, is_current: IsCurrent = always_current) -> None:
        """See the protocol."""
        if self.pressed and (saying := self.urls.progress_messages.get(self.pressed)):
            await asyncio.wait({saying})  # some seconds at most: it has one attempt
        posted = await self.urls.post(
            self.url,
            renderer(self.size_limit) | self.fields,
            is_current=is_current,
            is_repeatable=self.is_repeatable,
            has_other_way=self.otherwise is not None,
        )
        if posted in (Posted.TAKEN, Posted.UNWANTED) or not self.otherwise:
            return
        is_safe = posted is not Posted.UNKNOWN or self.otherwise.is_repeatable
        await self.otherwise.send(renderer if is_safe else UNCONFIRMED, is_current)

    async def send_progress(self, message: Message) -> None:
        """See the protocol."""
        progress_messages = self.urls.progress_messages
        saying = asyncio.create_task(self.urls.say_once(self.url, message | self.fields))
        if self.pressed:
            progress_messages[self.pressed] = saying
        try:
            await saying
        finally:
            if progress_messages.get(self.pressed) is saying:
                del progress_messages[self.pressed]


@dataclass(slots=True)
class EphemeralTarget:
    """In a channel, or in a thread there, where nobody else sees it; else in a direct message."""

    posts: Posts
    channel: str
    user: str
    thread: str = ""
    size_limit: SizeLimit = POSTED
    is_repeatable: bool = False

    async def send(self, renderer: Renderer, is_current: IsCurrent = always_current) -> None:
        """See the protocol."""
        if not await is_current():
            return
        message = renderer(self.size_limit)
        try:
            await self.posts.post_ephemeral(self.channel, self.user, message, self.thread)
        except SlackError as error:
            _log.warning("answer not shown in the channel", exc_info=error)
            # Often one of the two is not in the channel: the answer finds the person.
            direct = Direct(self.posts, self.user)
            await direct.send(UNCONFIRMED if error.may_have_arrived else renderer)

    async def send_progress(self, message: Message) -> None:
        """Slack replaces no message that one person alone sees, so it stays there."""
        try:
            await self.posts.post_ephemeral_once(self.channel, self.user, message, self.thread)
        except SlackError as error:
            _log.warning("courtesy not delivered", exc_info=error)


@dataclass(slots=True)
class Direct:
    """The direct messages with a person: `channel` is theirs, or the person's id.

    The answer takes the place of what was said meanwhile, or of the message `replaced`.
    """

    posts: Posts
    channel: str
    thread: str = ""
    replaced: str = ""
    size_limit: SizeLimit = DIRECT

    @property
    def is_repeatable(self) -> bool:
        """See the protocol."""
        return bool(self.replaced)

    async def send(self, renderer: Renderer, is_current: IsCurrent = always_current) -> None:
        """See the protocol."""
        if not await is_current():
            return
        message = renderer(self.size_limit)
        if self.replaced:
            try:
                await self.posts.update(self.channel, self.replaced, message)
            except SlackError as error:
                _log.warning("message not replaced", exc_info=error)
                message = note(texts.UNCONFIRMED) if error.may_have_arrived else message
            else:
                return
        try:
            await self.posts.post_message(self.channel, message, self.thread)
        except SlackError as error:
            _log.error("answer not delivered", exc_info=error)
            if error.may_have_arrived:
                await self._say_that_it_is_unconfirmed()

    async def _say_that_it_is_unconfirmed(self) -> None:
        try:
            await self.posts.post_message(self.channel, note(texts.UNCONFIRMED), self.thread)
        except SlackError as error:
            _log.error("unconfirmed answer not announced", exc_info=error)

    async def send_progress(self, message: Message) -> None:
        """See the protocol."""
        try:
            posted = await self.posts.post_message_once(self.channel, message, self.thread)
        except SlackError as error:
            _log.warning("courtesy not delivered", exc_info=error)
        else:
            self.replaced = posted


@dataclass(slots=True)
class DeleteTarget:
    """In the place of one of the bot's messages in direct messages, there is nothing any more."""

    posts: Posts
    channel: str
    ts: str
    size_limit: SizeLimit = DIRECT
    is_repeatable: bool = True

    async def send(self, renderer: Renderer, is_current: IsCurrent = always_current) -> None:
        """As the protocol says, but that nothing is drawn."""
        del renderer
        if not await is_current():
            return
        try:
            await self.posts.delete(self.channel, self.ts)
        except SlackError as error:
            _log.error("message not deleted", exc_info=error)

    async def send_progress(self, message: Message) -> None:
        """Nothing is said of it."""


class Targets:
    """The place for the answer to each kind of request."""

    def __init__(self, urls: ResponseUrls, posts: Posts) -> None:
        self.urls = urls
        self._posts = posts

    def of_command(self, body: dict[str, Any]) -> AckTarget:
        """Where a command was typed."""
        otherwise = EphemeralTarget(
            self._posts, body.get("channel_id", ""), body.get("user_id", "")
        )
        return ResponseUrlTarget(self.urls, body.get("response_url", ""), {}, otherwise)

    def beside(self, body: dict[str, Any]) -> ReplyTarget:
        """Beside the message that was pressed, in its thread if it is in one."""
        return self.in_thread(body, thread_of(body))

    def in_thread(self, body: dict[str, Any], thread: str) -> ReplyTarget:
        """In a thread of the channel where something was pressed or chosen; "" for none."""
        channel, user = _ids(body)
        otherwise = EphemeralTarget(self._posts, channel, user, thread)
        return ResponseUrlTarget(self.urls, body["response_url"], beside(thread), otherwise)

    def in_place(self, body: dict[str, Any]) -> ReplyTarget:
        """In the place of the message that was pressed."""
        channel, user = _ids(body)
        otherwise: ReplyTarget = EphemeralTarget(self._posts, channel, user, thread_of(body))
        size_limit = RESPONSE_URL
        if _is_direct(body):
            otherwise = Direct(self._posts, channel, replaced=message_of(body))
            size_limit = replace(RESPONSE_URL, dismissable=True)
        fields, url = {"replace_original": True}, body["response_url"]
        return ResponseUrlTarget(
            self.urls, url, fields, otherwise, pressed_message(body), size_limit
        )

    def away(self, body: dict[str, Any]) -> ReplyTarget:
        """Deletes the message that was pressed; what is sent here is not shown."""
        channel, _ = _ids(body)
        fields, url = {"delete_original": True}, body["response_url"]
        otherwise: ReplyTarget | None = None
        if _is_direct(body):
            otherwise = DeleteTarget(self._posts, channel, message_of(body))
        return ResponseUrlTarget(self.urls, url, fields, otherwise, pressed_message(body))

    def of_person(self, channel: str, user: str, thread: str = "") -> ReplyTarget:
        """Where somebody did something for which there is no response_url.

        In a channel, they alone see the answer; with their own id as the channel, it is a direct
        message.
        """
        if channel.startswith("D") or channel == user:
            return Direct(self._posts, channel, thread)
        return EphemeralTarget(self._posts, channel, user, thread)


def beside(thread: str) -> Message:
    """What tells a response_url to add a message, and where."""
    return {"replace_original": False} | ({"thread_ts": thread} if thread else {})


def message_of(body: dict[str, Any]) -> str:
    """The `ts` of the message that was pressed."""
    return str(_dict(body.get("container")).get("message_ts") or "")


def pressed_message(body: dict[str, Any]) -> str:
    """The message that was pressed, and who pressed it."""
    return f"{_ids(body)[1]} {message_of(body)}"


def _is_direct(body: dict[str, Any]) -> bool:
    """Whether everybody in the conversation, the person and the bot, sees what was pressed."""
    is_ephemeral = _dict(body.get("container")).get("is_ephemeral")
    return _ids(body)[0].startswith("D") and not is_ephemeral


def thread_of(body: dict[str, Any]) -> str:
    """The thread of the message that was pressed; it stands in two places, or in none."""
    for holder in (body.get("container"), body.get("message")):
        if isinstance(holder, dict) and holder.get("thread_ts"):
            return str(holder["thread_ts"])
    return ""


def thread_of_reply(message: dict[str, Any]) -> str:
    """The thread that a message is a reply in; "" for one that a thread hangs on, or none."""
    thread = str(message.get("thread_ts") or "")
    return "" if thread == message.get("ts") else thread


def _ids(body: dict[str, Any]) -> tuple[str, str]:
    channel, user = _dict(body.get("channel")), _dict(body.get("user"))
    return str(channel.get("id", "")), str(user.get("id", ""))


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
