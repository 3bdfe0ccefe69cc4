"""Messages of the bot's own accord, where there is no response_url.

The bot has to be in the channel, and so has the person who alone is to see a message.

- https://docs.slack.dev/reference/methods/chat.postMessage
- https://docs.slack.dev/reference/methods/chat.postEphemeral
"""

from __future__ import annotations

from slack_sdk.web.async_client import AsyncWebClient

from bot.slack.blocks import Message
from bot.slack.web_api import persistently


class Posts:
    """Posts with the bot token, which `client` carries. Each method raises `SlackError`."""

    def __init__(self, client: AsyncWebClient) -> None:
        self._client = client

    async def post(
        self, channel: str, message: Message, thread: str = "", *, twice_is_bad: bool = False
    ) -> str:
        """Posts for everybody in the channel; with a user's id, to that person. Gives the `ts`."""
        answer = await persistently(
            lambda: self._client.chat_postMessage(
                channel=channel,
                thread_ts=thread or None,
                text=message["text"],
                blocks=message["blocks"],
                unfurl_links=False,
                unfurl_media=False,
            ),
            twice_is_bad=twice_is_bad,
        )
        return str(answer["ts"])

    async def show(self, channel: str, user: str, message: Message, thread: str = "") -> None:
        """Posts for one person in the channel."""
        await persistently(
            lambda: self._client.chat_postEphemeral(
                channel=channel,
                user=user,
                thread_ts=thread or None,
                text=message["text"],
                blocks=message["blocks"],
            )
        )
