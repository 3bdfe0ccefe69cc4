"""Where one person looks for an answer; each place knows how much it holds, and what to do instead.

- A response_url needs no membership, and holds most: for commands, shortcuts, presses.
- Where there is none, the bot posts: to one person in a channel, or as a direct message.

Where a place doesn't take a message, the next best one does: people are not left without a word.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any, Protocol

import structlog

from bot.errors import SlackError
from bot.slack.api.posts import Posts
from bot.slack.replies.response_url import ResponseUrls, Wanted, always
from bot.slack.ui.pieces import POSTED, RESPONSE_URL, Drawing, Message, Room

_log = structlog.get_logger()


class Place(Protocol):
    """Where one person looks for an answer."""

    @property
    def room(self) -> Room:
        """How much it holds."""

    async def send(self, drawing: Drawing, wanted: Wanted = always) -> None:
        """Brings the answer, with more than one attempt if need be, while it is `wanted`."""

    async def say_meanwhile(self, message: Message) -> None:
        """Brings a courtesy: one attempt. The answer takes its place where Slack allows that."""


class PlaceOfAck(Place, Protocol):
    """One that an ack can fill, too."""

    def as_ack(self, message: Message, *, final: bool) -> dict[str, Any]:
        """What to acknowledge with; if it is not `final`, another message follows."""


@dataclass(slots=True)
class AtResponseUrl:
    """A response_url; `fields` are added to each message: what it replaces, and in which thread.

    `otherwise` is the place for an answer that the response_url doesn't take. Two places with the
    same `screen` are about the same message: what one says meanwhile never follows the answer of
    another.
    """

    urls: ResponseUrls
    url: str
    fields: Message
    otherwise: Place | None = None
    screen: str = ""
    room: Room = RESPONSE_URL

    def as_ack(self, message: Message, *, final: bool) -> dict[str, Any]:
        """As the protocol says."""
        del final
        return message

    async def send(self, drawing: Drawing, wanted: Wanted = always) -> None:
        """As the protocol says."""
        if self.screen and (saying := self.urls.courtesies.get(self.screen)):
            await asyncio.wait({saying})  # some seconds at most: it has one attempt
        if not await wanted():
            return
        message = drawing(self.room) | self.fields
        posted = await self.urls.post(self.url, message, wanted=wanted)
        if posted in ("refused", "failed") and self.otherwise:
            await self.otherwise.send(drawing, wanted)

    async def say_meanwhile(self, message: Message) -> None:
        """As the protocol says."""
        courtesies = self.urls.courtesies
        saying = asyncio.create_task(self.urls.say_once(self.url, message | self.fields))
        if self.screen:
            courtesies[self.screen] = saying
        try:
            await saying
        finally:
            if courtesies.get(self.screen) is saying:
                del courtesies[self.screen]


@dataclass(slots=True)
class Alone:
    """In a channel, or in a thread there, where nobody else sees it; else in a direct message."""

    posts: Posts
    channel: str
    user: str
    thread: str = ""
    room: Room = POSTED

    async def send(self, drawing: Drawing, wanted: Wanted = always) -> None:
        """As the protocol says."""
        del wanted  # nothing else takes the place of this answer
        message = drawing(self.room)
        try:
            await self.posts.post_ephemeral(self.channel, self.user, message, self.thread)
        except SlackError as error:
            # One of the two is not in the channel: the answer finds the person.
            _log.warning("answer not shown in the channel", exc_info=error)
            await Direct(self.posts, self.user).send(drawing)

    async def say_meanwhile(self, message: Message) -> None:
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
    replaced: str = field(default="")
    room: Room = POSTED

    async def send(self, drawing: Drawing, wanted: Wanted = always) -> None:
        """As the protocol says."""
        if not await wanted():
            return
        message = drawing(self.room)
        try:
            if self.replaced:
                try:
                    await self.posts.update(self.channel, self.replaced, message)
                except SlackError as error:
                    _log.warning("message not replaced", exc_info=error)
                else:
                    return
            await self.posts.post_message(self.channel, message, self.thread)
        except SlackError as error:
            _log.error("answer not delivered", exc_info=error)

    async def say_meanwhile(self, message: Message) -> None:
        """As the protocol says."""
        try:
            posted = await self.posts.post_message_once(self.channel, message, self.thread)
        except SlackError as error:
            _log.warning("courtesy not delivered", exc_info=error)
        else:
            self.replaced = posted


class Places:
    """The place for the answer to each kind of request."""

    def __init__(self, urls: ResponseUrls, posts: Posts) -> None:
        self.urls = urls
        self._posts = posts

    def of_command(self, body: dict[str, Any]) -> PlaceOfAck:
        """Where a command was typed."""
        otherwise = Alone(self._posts, str(body.get("channel_id")), str(body.get("user_id")))
        return AtResponseUrl(self.urls, str(body.get("response_url")), {}, otherwise)

    def beside(self, body: dict[str, Any]) -> Place:
        """Beside the message that was pressed, in its thread if it is in one."""
        return self.in_thread(body, thread_of(body))

    def in_thread(self, body: dict[str, Any], thread: str) -> Place:
        """In a thread of the channel where something was pressed or chosen; "" for none."""
        channel, user = _ids(body)
        otherwise = Alone(self._posts, channel, user, thread)
        return AtResponseUrl(self.urls, body["response_url"], beside(thread), otherwise)

    def in_place(self, body: dict[str, Any]) -> Place:
        """In the place of the message that was pressed."""
        channel, user = _ids(body)
        otherwise: Place = Alone(self._posts, channel, user, thread_of(body))
        if not body.get("container", {}).get("is_ephemeral"):
            otherwise = Direct(self._posts, channel, replaced=message_of(body))
        fields = {"replace_original": True}
        return AtResponseUrl(self.urls, body["response_url"], fields, otherwise, screen_of(body))

    def away(self, body: dict[str, Any]) -> Place:
        """For whatever is sent here, the message that was pressed goes away."""
        fields = {"delete_original": True}
        return AtResponseUrl(self.urls, body["response_url"], fields, screen=screen_of(body))

    def of_event(self, event: dict[str, Any]) -> Place:
        """Where somebody wrote to the bot; in a channel, they alone see the answer."""
        channel, user = str(event["channel"]), str(event["user"])
        thread = str(event.get("thread_ts") or "")
        if channel.startswith("D"):
            return Direct(self._posts, channel, thread)
        return Alone(self._posts, channel, user, thread)


def beside(thread: str) -> Message:
    """What tells a response_url to add a message, and where."""
    return {"replace_original": False} | ({"thread_ts": thread} if thread else {})


def message_of(body: dict[str, Any]) -> str:
    """The `ts` of the message that was pressed."""
    return str(body.get("container", {}).get("message_ts"))


def screen_of(body: dict[str, Any]) -> str:
    """The message that was pressed, on the screen of who pressed it."""
    return f"{body['user']['id']} {message_of(body)}"


def thread_of(body: dict[str, Any]) -> str:
    """The thread of the message that was pressed; it stands in two places, or in none."""
    for holder in (body.get("container"), body.get("message")):
        if isinstance(holder, dict) and holder.get("thread_ts"):
            return str(holder["thread_ts"])
    return ""


def _ids(body: dict[str, Any]) -> tuple[str, str]:
    return str(body.get("channel", {}).get("id", "")), str(body["user"]["id"])
