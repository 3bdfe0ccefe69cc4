"""The slash command: `/fsessions jane@example.com 5`.

https://docs.slack.dev/interactivity/implementing-slash-commands
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from bot.core.access import EntryPoint
from bot.settings import Settings
from bot.slack.app import COMMAND, App
from bot.slack.delivery import Delivery
from bot.slack.feature import Manifest
from bot.slack.lookups import Lookups
from bot.slack.request import Ack, SlackRequest
from bot.slack.targets import Targets
from bot.slack.typed_text import parse


@dataclass(frozen=True, slots=True)
class Command:
    """Answers the slash command."""

    manifest: ClassVar = Manifest(
        scopes={"commands": "The command and the shortcuts."},
        help=("Type it:", "{command} jane@example.com {where}"),
    )

    settings: Settings
    lookups: Lookups
    targets: Targets
    delivery: Delivery

    def register(self, app: App) -> None:
        """Register the command."""
        app.command(COMMAND, EntryPoint.COMMAND, self.on_command)

    async def on_command(self, request: SlackRequest) -> Ack:
        """Acknowledge with the answer, with what was wrong, or with a progress message."""
        body = request.body
        parsed = parse(
            str(body.get("text") or ""), self.settings.slack_limits, *self.settings.grammar
        )
        # Help uses the command as it was typed: a company may have renamed it.
        work = self.lookups.typed(parsed, request.actor, str(body["command"]))
        return await self.delivery.in_ack(work, request, self.targets.of_command(body))
