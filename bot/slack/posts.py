"""Messages that the bot posts and reads itself, where there is no response_url.

The bot has to be in the channel, and so has the person who alone is to see a message.

- https://docs.slack.dev/reference/methods/chat.postMessage
- https://docs.slack.dev/reference/methods/chat.postEphemeral
- https://docs.slack.dev/reference/methods/chat.update
- https://docs.slack.dev/reference/methods/conversations.replies
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from slack_sdk.web.async_slack_response import AsyncSlackResponse

from bot.slack.web_api import SlackClient, call_api

Message = dict[str, Any]


class Posts:
    """Works with the bot token, which `client` carries. Each method raises `SlackError`."""

    def __init__(self, client: SlackClient) -> None:
        self._client = client

    async def post_message(self, channel: str, message: Message, thread: str = "") -> str:
        """Post for everybody in the channel; with a user's id, to that person. Gives the `ts`."""
        answer = await self._client.call_with_retries(
            lambda: self._post(channel, message, thread), is_repeatable=False
        )
        return str(answer["ts"])

    async def post_message_once(self, channel: str, message: Message, thread: str = "") -> str:
        """The same with one attempt."""
        return str((await call_api(self._post(channel, message, thread)))["ts"])

    async def post_ephemeral(
        self, channel: str, user: str, message: Message, thread: str = ""
    ) -> None:
        """Post for one person in the channel."""
        await self._client.call_with_retries(
            lambda: self._show(channel, user, message, thread), is_repeatable=False
        )

    async def post_ephemeral_once(
        self, channel: str, user: str, message: Message, thread: str = ""
    ) -> None:
        """The same with one attempt."""
        await call_api(self._show(channel, user, message, thread))

    async def update(self, channel: str, ts: str, message: Message) -> None:
        """Replaces a message of the bot's that everybody in the channel can see."""
        await self._client.call_with_retries(
            lambda: self._client.chat_update(
                channel=channel, ts=ts, text=message["text"], blocks=message["blocks"]
            )
        )

    async def delete(self, channel: str, ts: str) -> None:
        """Deletes a message of the bot's that everybody in the channel can see."""
        await self._client.call_with_retries(
            lambda: self._client.chat_delete(channel=channel, ts=ts)
        )

    async def thread(self, channel: str, ts: str, limit: int) -> list[dict[str, Any]]:
        """The message that a thread hangs on, then its replies; `limit` messages at most."""
        answer = await self._client.call_with_retries(
            lambda: self._client.conversations_replies(channel=channel, ts=ts, limit=limit)
        )
        return list(answer["messages"])

    async def message(self, channel: str, ts: str) -> dict[str, Any]:
        """One message, as it is now, also a reply in a thread; {} where it is gone."""
        thread = await self.thread(channel, ts, limit=1)
        return next((one for one in thread if one.get("ts") == ts), {})

    def _post(self, channel: str, message: Message, thread: str) -> Awaitable[AsyncSlackResponse]:
        return self._client.chat_postMessage(
            channel=channel,
            thread_ts=thread or None,
            text=message["text"],
            blocks=message["blocks"],
            unfurl_links=False,
            unfurl_media=False,
        )

    def _show(
        self, channel: str, user: str, message: Message, thread: str
    ) -> Awaitable[AsyncSlackResponse]:
        return self._client.chat_postEphemeral(
            channel=channel,
            user=user,
            thread_ts=thread or None,
            text=message["text"],
            blocks=message["blocks"],
        )
