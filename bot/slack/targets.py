"""Where an answer goes. Each target knows how much it can take, and what to do if it fails.

- A response_url needs no membership and takes the most. Commands, shortcuts and presses have one.
- Without one, the bot posts: for one person in a channel, or as a direct message.
- A modal is updated while it is open.

If a target doesn't take a message, the next best one gets it. If Slack may have taken it without
saying so, it is not sent again: the next target says that instead.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final, Protocol

import structlog

from bot.errors import SlackError
from bot.slack import texts
from bot.slack.blocks import (
    DIRECT,
    MODAL,
    POSTED,
    RESPONSE_URL,
    Message,
    Renderer,
    SizeLimit,
    View,
    always,
    note,
)
from bot.slack.messages import in_modal
from bot.slack.request import channel_and_user, is_visible_to_all, message_thread, message_ts
from bot.slack.response_url import IsCurrent, Posted, ResponseUrls, always_current
from bot.slack.web_api import WebApi

_log = structlog.get_logger()

UNCONFIRMED: Final = always(note(texts.UNCONFIRMED))
"""Sent if Slack may have taken an answer and did not say so."""


class ReplyTarget(Protocol):
    """Where one person sees an answer."""

    @property
    def size_limit(self) -> SizeLimit:
        """How much it takes."""

    @property
    def is_repeatable(self) -> bool:
        """Tell whether a message that is sent twice is seen once, because it replaces another."""

    async def send(self, renderer: Renderer, is_current: IsCurrent = always_current) -> None:
        """Deliver the answer, with several attempts if needed, while it is current."""

    async def send_progress(self, message: Message) -> None:
        """Deliver a progress message with one attempt. If Slack allows, the answer replaces it."""


class AckTarget(ReplyTarget, Protocol):
    """A target that the ack can fill, too."""

    def as_ack(self, message: Message, *, is_final: bool) -> dict[str, Any]:
        """Return the body of the ack; if it is not final, another message follows."""


@dataclass(slots=True)
class ResponseUrlTarget:
    """A response_url.

    `fields` are added to each message: what it replaces, and its thread. An answer that the
    response_url doesn't take goes to `fallback`. `pressed` identifies the message that is replaced:
    an answer waits until a progress message for it was sent.
    """

    urls: ResponseUrls
    url: str
    fields: Message
    fallback: ReplyTarget | None = None
    pressed: str = ""
    size_limit: SizeLimit = RESPONSE_URL

    @property
    def is_repeatable(self) -> bool:
        """Tell whether each message replaces or deletes the original."""
        return bool(self.fields.get("replace_original") or self.fields.get("delete_original"))

    def as_ack(self, message: Message, *, is_final: bool) -> dict[str, Any]:
        """Return the message: Slack shows it where the command was typed."""
        del is_final
        return message

    async def send(self, renderer: Renderer, is_current: IsCurrent = always_current) -> None:
        """Post to the response_url, then to the fallback."""
        if self.pressed and (progress := self.urls.progress.get(self.pressed)):
            await asyncio.wait({progress})  # a few seconds at most: it has one attempt
        posted = await self.urls.post(
            self.url,
            renderer(self.size_limit) | self.fields,
            is_current=is_current,
            is_repeatable=self.is_repeatable,
            has_other_way=self.fallback is not None,
        )
        if posted in (Posted.TAKEN, Posted.NOT_CURRENT) or not self.fallback:
            return
        is_safe = posted is not Posted.UNKNOWN or self.fallback.is_repeatable
        await self.fallback.send(renderer if is_safe else UNCONFIRMED, is_current)

    async def send_progress(self, message: Message) -> None:
        """Post to the response_url only."""
        posting = asyncio.create_task(self.urls.post_progress(self.url, message | self.fields))
        if self.pressed:
            self.urls.progress[self.pressed] = posting
        try:
            await posting
        finally:
            if self.urls.progress.get(self.pressed) is posting:
                del self.urls.progress[self.pressed]


@dataclass(slots=True)
class EphemeralTarget:
    """A channel or thread where only the person sees it; otherwise a direct message."""

    web_api: WebApi
    channel: str
    user: str
    thread: str = ""
    size_limit: SizeLimit = POSTED
    is_repeatable: bool = False

    async def send(self, renderer: Renderer, is_current: IsCurrent = always_current) -> None:
        """Post an ephemeral message."""
        if not await is_current():
            return
        message = renderer(self.size_limit)
        try:
            await self.web_api.post_ephemeral(self.channel, self.user, message, self.thread)
        except SlackError as error:
            _log.warning("answer not shown in the channel", exc_info=error)
            # Often the bot or the person is not in the channel: a direct message reaches them.
            direct = DirectMessageTarget(self.web_api, self.user)
            await direct.send(UNCONFIRMED if error.may_have_arrived else renderer)

    async def send_progress(self, message: Message) -> None:
        """Post an ephemeral message, which stays: Slack can't replace it."""
        try:
            await self.web_api.post_ephemeral(
                self.channel, self.user, message, self.thread, attempts=False
            )
        except SlackError as error:
            _log.warning("progress message not delivered", exc_info=error)


@dataclass(slots=True)
class DirectMessageTarget:
    """Direct messages with the bot. `channel` may be the person's id.

    The answer replaces the message `replaced`: one that was pressed, or a progress message.
    """

    web_api: WebApi
    channel: str
    thread: str = ""
    replaced: str = ""
    size_limit: SizeLimit = DIRECT

    @property
    def is_repeatable(self) -> bool:
        """Tell whether the answer replaces a message."""
        return bool(self.replaced)

    async def send(self, renderer: Renderer, is_current: IsCurrent = always_current) -> None:
        """Replace the message, or post a new one."""
        if not await is_current():
            return
        message = renderer(self.size_limit)
        if self.replaced:
            try:
                await self.web_api.update_message(self.channel, self.replaced, message)
            except SlackError as error:
                _log.warning("message not replaced", exc_info=error)
                if error.may_have_arrived:
                    await self._say_unconfirmed()
                    return
            else:
                return
        try:
            await self.web_api.post_message(self.channel, message, self.thread)
        except SlackError as error:
            _log.error("answer not delivered", exc_info=error)
            if error.may_have_arrived:
                await self._say_unconfirmed()

    async def _say_unconfirmed(self) -> None:
        try:
            await self.web_api.post_message(self.channel, note(texts.UNCONFIRMED), self.thread)
        except SlackError as error:
            _log.error("unconfirmed answer not announced", exc_info=error)

    async def send_progress(self, message: Message) -> None:
        """Post a message that the answer will replace."""
        try:
            self.replaced = await self.web_api.post_message(
                self.channel, message, self.thread, attempts=False
            )
        except SlackError as error:
            _log.warning("progress message not delivered", exc_info=error)


@dataclass(slots=True)
class DeleteTarget:
    """Deletes one of the bot's direct messages, whatever is sent."""

    web_api: WebApi
    channel: str
    ts: str
    size_limit: SizeLimit = DIRECT
    is_repeatable: bool = True

    async def send(self, renderer: Renderer, is_current: IsCurrent = always_current) -> None:
        """Delete the message."""
        del renderer
        if not await is_current():
            return
        try:
            await self.web_api.delete_message(self.channel, self.ts)
        except SlackError as error:
            _log.error("message not deleted", exc_info=error)

    async def send_progress(self, message: Message) -> None:
        """Do nothing."""


class Frame(Protocol):
    """Puts a message into a view; if it is not final, another message follows."""

    def __call__(self, message: Message, *, is_final: bool = True) -> View:
        """Return the view."""


@dataclass(slots=True)
class ModalTarget:
    """An open modal, which the answer fills. If that fails, the answer goes to `fallback`."""

    web_api: WebApi
    view_id: str
    frame: Frame
    fallback: ReplyTarget
    size_limit: SizeLimit = MODAL
    is_repeatable: bool = True

    def as_ack(self, message: Message, *, is_final: bool) -> dict[str, Any]:
        """Return a response_action that updates the modal."""
        return {"response_action": "update", "view": self.frame(message, is_final=is_final)}

    async def send(self, renderer: Renderer, is_current: IsCurrent = always_current) -> None:
        """Update the modal."""
        if not await is_current():
            return
        try:
            await self.web_api.update_modal(self.view_id, self.frame(renderer(self.size_limit)))
        except SlackError as error:
            await self.fallback.send(UNCONFIRMED if error.may_have_arrived else renderer)

    async def send_progress(self, message: Message) -> None:
        """Update the modal; an answer follows."""
        try:
            await self.web_api.update_modal(self.view_id, self.frame(message, is_final=False))
        except SlackError:
            return  # which is logged


class Targets:
    """Finds the target for each kind of request."""

    def __init__(self, urls: ResponseUrls, web_api: WebApi) -> None:
        self.urls = urls
        self._web_api = web_api

    def of_command(self, body: dict[str, Any]) -> AckTarget:
        """Return where a command was typed."""
        fallback = EphemeralTarget(
            self._web_api, body.get("channel_id", ""), body.get("user_id", "")
        )
        return ResponseUrlTarget(self.urls, body.get("response_url", ""), {}, fallback)

    def beside(self, body: dict[str, Any]) -> ReplyTarget:
        """Return a place below the pressed message, in its thread if it is in one.

        For a press in a modal, it is a direct message.
        """
        if "view" in body:
            _, user = channel_and_user(body)
            return self.for_user(user, user)
        return self.in_thread(body, message_thread(body))

    def in_thread(self, body: dict[str, Any], thread: str) -> ReplyTarget:
        """Return a thread of the channel of an interaction; "" is the channel itself."""
        channel, user = channel_and_user(body)
        fallback = EphemeralTarget(self._web_api, channel, user, thread)
        return ResponseUrlTarget(self.urls, body["response_url"], new_message(thread), fallback)

    def in_place(self, body: dict[str, Any]) -> ReplyTarget:
        """Return the place of the pressed message or modal, which is replaced."""
        if "view" in body:
            metadata = str(body["view"].get("private_metadata") or "")
            return self.modal(body, partial(in_modal, metadata=metadata))
        channel, user = channel_and_user(body)
        fallback: ReplyTarget = EphemeralTarget(self._web_api, channel, user, message_thread(body))
        size_limit = RESPONSE_URL
        if is_visible_to_all(body):
            fallback = DirectMessageTarget(self._web_api, channel, replaced=message_ts(body))
            size_limit = replace(RESPONSE_URL, can_dismiss=True)
        return ResponseUrlTarget(
            self.urls,
            body["response_url"],
            {"replace_original": True},
            fallback,
            pressed_message(body),
            size_limit,
        )

    def deletion(self, body: dict[str, Any]) -> ReplyTarget:
        """Return a target that deletes the pressed message."""
        channel, _ = channel_and_user(body)
        fallback: ReplyTarget | None = None
        if is_visible_to_all(body):
            fallback = DeleteTarget(self._web_api, channel, message_ts(body))
        return ResponseUrlTarget(
            self.urls,
            body["response_url"],
            {"delete_original": True},
            fallback,
            pressed_message(body),
        )

    def for_user(self, channel: str, user: str, thread: str = "") -> ReplyTarget:
        """Return a target without a response_url.

        In a channel, only the person sees the answer. Their own id as the channel is a direct
        message.
        """
        if channel.startswith("D") or channel == user:
            return DirectMessageTarget(self._web_api, channel, thread)
        return EphemeralTarget(self._web_api, channel, user, thread)

    def modal(self, body: dict[str, Any], frame: Frame) -> AckTarget:
        """Return the modal that was submitted or pressed; its fallback is a direct message."""
        return ModalTarget(self._web_api, str(body["view"]["id"]), frame, self.beside(body))


def new_message(thread: str) -> Message:
    """Return the fields that tell a response_url to add a message, and where."""
    return {"replace_original": False} | ({"thread_ts": thread} if thread else {})


def pressed_message(body: dict[str, Any]) -> str:
    """Identify a pressed message or modal and the person who pressed it."""
    return f"{channel_and_user(body)[1]} {message_ts(body)}"


def thread_of_reply(message: dict[str, Any]) -> str:
    """Return the thread that a message is a reply in; "" if it is a parent or in no thread."""
    thread = str(message.get("thread_ts") or "")
    return "" if thread == message.get("ts") else thread
