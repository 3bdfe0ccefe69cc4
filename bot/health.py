"""What keeps the bot from answering, found before a person complains: for `/readyz` and metrics."""

from __future__ import annotations

import asyncio

import structlog

from bot.errors import FullstoryError, KeyRejected, PermissionMissing, SlackError
from bot.fullstory.client import FullstoryClient
from bot.slack.socket_mode import SocketMode
from bot.slack.web_api import TOKEN_ERRORS, WebApi
from bot.timeouts import Timeouts

_log = structlog.get_logger()


class Health:
    """Asks Slack and Fullstory every minute whether they accept the bot's token and key.

    `token_error` is Slack's error code, or "". An answer that says nothing about them, such as a
    timeout, changes nothing.
    """

    def __init__(
        self,
        web_api: WebApi,
        fullstory: FullstoryClient,
        socket_mode: SocketMode | None,
        timeouts: Timeouts,
    ) -> None:
        self._web_api = web_api
        self._fullstory = fullstory
        self._socket_mode = socket_mode
        self._timeouts = timeouts
        self.token_error = ""
        self.is_key_refused = False

    async def run(self) -> None:
        """Check again and again, until cancelled."""
        while True:
            await asyncio.sleep(self._timeouts.health)
            await asyncio.gather(self.check_token(), self.check_key())

    async def check_token(self) -> None:
        """Ask Slack whose token it is."""
        before = self.token_error
        try:
            await self._web_api.check_token()
            self.token_error = ""
        except SlackError as error:
            if error.code in TOKEN_ERRORS:
                self.token_error = error.code
            else:
                _log.warning("bot token not checked", exc_info=error)
        if self.token_error and self.token_error != before:
            _log.error("Slack rejects SLACK_BOT_TOKEN", reason=self.token_error)

    async def check_key(self) -> None:
        """Ask Fullstory for the key's organization, which is free."""
        before = self.is_key_refused
        try:
            await self._fullstory.organization()
            self.is_key_refused = False
        except (KeyRejected, PermissionMissing):
            self.is_key_refused = True
        except FullstoryError as error:
            _log.warning("API key not checked", exc_info=error)
        if self.is_key_refused and not before:
            _log.error("Fullstory rejects FULLSTORY_API_KEY: every lookup will fail")

    @property
    def is_connected(self) -> bool:
        """Tell whether Slack can reach the bot, as far as the bot knows."""
        socket_mode = self._socket_mode
        return socket_mode is None or socket_mode.is_alive(self._timeouts.reconnect_grace)

    def problems(self) -> dict[str, str]:
        """Return what keeps the bot from answering; its keys are `slack` and `fullstory`."""
        found = {}
        if self.token_error:
            found["slack"] = f"SLACK_BOT_TOKEN is rejected: {self.token_error}"
        elif not self.is_connected:
            found["slack"] = "not connected over Socket Mode"
        if self.is_key_refused:
            found["fullstory"] = "FULLSTORY_API_KEY is rejected"
        return found
