"""Presses of one message that meet: what is pressed later counts, and a share is posted once."""

from __future__ import annotations

import secrets
from typing import Any, Final

from bot.slack.replies.places import screen_of
from bot.slack.replies.response_url import Wanted
from bot.state.protocol import State

_PRESS_SECONDS: Final = 30 * 60.0  # a press's response_url lives as long
_SHARE_SECONDS: Final = 30 * 60.0


class Presses:
    """Which press of a message is the latest, and what becomes of a share under way.

    A message is known by who presses and which one it is, as `body` tells.
    """

    def __init__(self, state: State) -> None:
        self._state = state

    async def begin(self, body: dict[str, Any]) -> Wanted:
        """Begins a press; what it gives tells whether no other has begun since."""
        key, mark = ("latest press", screen_of(body)), secrets.token_hex(8)
        await self._state.put(key, mark, _PRESS_SECONDS)

        async def is_latest() -> bool:
            return await self._state.get(key) in (mark, None)

        return is_latest

    # -- Sharing ----------------------------------------------------------------------------------
    # Whether a share is posted or called off is decided once, by who claims the decision first.

    async def begin_sharing(self, body: dict[str, Any]) -> str:
        """The name of a new share; "" where this message is being shared already, or was."""
        share = secrets.token_hex(8)
        if not await self._state.claim(("shared", screen_of(body)), _SHARE_SECONDS):
            return ""
        await self._state.put(("share under way", screen_of(body)), share, _SHARE_SECONDS)
        return share

    async def is_sharing(self, body: dict[str, Any]) -> bool:
        """Whether a share of this message is under way."""
        return await self._state.get(("share under way", screen_of(body))) is not None

    async def may_post(self, share: str) -> bool:
        """Decides for posting, unless the share was called off before."""
        return await self._state.claim(("share decided", share), _SHARE_SECONDS)

    async def call_off_sharing(self, body: dict[str, Any]) -> bool:
        """Calls off the share that is under way, if any; False where it is being posted already."""
        share = await self._state.get(("share under way", screen_of(body)))
        return share is None or await self._state.claim(("share decided", share), _SHARE_SECONDS)

    async def end_sharing(self, body: dict[str, Any]) -> None:
        """Nothing is under way any more; the message stays shared."""
        await self._state.forget(("share under way", screen_of(body)))

    async def forget_sharing(self, body: dict[str, Any]) -> None:
        """The message can be shared, as if it had never been."""
        await self.end_sharing(body)
        await self._state.forget(("shared", screen_of(body)))
