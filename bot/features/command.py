"""The slash command: `/fsessions jane@example.com 5`.

https://docs.slack.dev/interactivity/implementing-slash-commands
"""

from __future__ import annotations

from bot.core.access import EntryPoint
from bot.core.query import parse
from bot.slack.request import Route, SlackRequest
from bot.slack.services import Services


class Command:
    """Answers the slash command."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def routes(self) -> tuple[Route, ...]:
        """The command alone."""
        return (Route("command", self._services.command, EntryPoint.COMMAND, self.typed),)

    async def typed(self, request: SlackRequest) -> None:
        """Acknowledges with the answer, with what was wrong, or with "still looking"."""
        answers, body = self._services.answers, request.body
        labels = self._services.settings.labels
        parsed = parse(str(body.get("text") or ""), answers.limits, labels)
        # Examples have the name as it was typed: a company may have renamed the command.
        work = answers.to_text(parsed, request.actor, str(body["command"]))
        target = self._services.targets.of_command(body)
        await self._services.delivery.answer_in_ack(work, request, target)
