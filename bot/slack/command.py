"""The slash command: `/fsessions jane@example.com 5`.

https://docs.slack.dev/interactivity/implementing-slash-commands
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import structlog
from slack_bolt.context.ack.async_ack import AsyncAck
from slack_bolt.context.async_context import AsyncBoltContext

from bot.errors import FullstoryError
from bot.finder import Finder
from bot.logs import new_reference
from bot.parsing import Help, Limits, Refused, parse
from bot.sessions import Query
from bot.slack import blocks, wording
from bot.slack.blocks import Message
from bot.slack.delivery import Delivery

_log = structlog.get_logger()


class Command:
    """Answers the slash command."""

    def __init__(self, finder: Finder, delivery: Delivery, limits: Limits) -> None:
        self._finder = finder
        self._delivery = delivery
        self._limits = limits

    async def answer(self, ack: AsyncAck, body: dict[str, Any], context: AsyncBoltContext) -> None:
        """Acknowledges with the answer, with what was wrong, or with "still looking"."""
        name = str(body["command"])
        match parse(str(body.get("text") or ""), self._limits):
            case Help():
                await ack(blocks.help_message(name, self._limits))
            case Refused() as refused:
                await ack(blocks.refusal(refused, name, self._limits))
            case Query() as query:
                await self._delivery.answer(
                    self._look_up(query),
                    acknowledge=ack,
                    acknowledged=context["acknowledged"],
                    response_url=str(body.get("response_url", "")),
                )

    async def _look_up(self, query: Query) -> Message:
        """The answer, whatever happens."""
        try:
            return blocks.answer(await self._finder.find(query), datetime.now(UTC))
        except FullstoryError as error:
            reference = new_reference()
            _log.warning("lookup failed", reference=reference, exc_info=error)
            return blocks.failure(error, reference)
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - nobody is left without a word
            reference = new_reference()
            _log.error("lookup crashed", reference=reference, exc_info=error)
            return blocks.note(wording.our_fault(reference))
