"""When one message is pressed more than once: what is pressed later counts."""

from __future__ import annotations

import secrets
from typing import Any, Final

from bot.slack.job import Job
from bot.slack.response_url import IsCurrent
from bot.slack.targets import pressed_message
from bot.store.protocol import State

_SECONDS: Final = 30 * 60.0  # a press's response_url lives as long


class Presses:
    """Which press of a message is the latest."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def begin(self, body: dict[str, Any], job: Job | None = None) -> IsCurrent:
        """Begins a press; what it gives tells whether no other has begun since.

        By its `job` it is known whether another process has begun it before us.
        """
        key = ("latest press", pressed_message(body))
        # What was pressed later counts, also where it is heard of earlier.
        pressed_at = _time_of(body)
        mark = f"{pressed_at:017.6f} {body.get('trigger_id') or secrets.token_hex(8)}"
        if not (job and job.is_resumed):
            await self._state.put(key, mark, _SECONDS, if_greater=pressed_at > 0)

        async def is_latest() -> bool:
            return await self._state.get(key) in (mark, None)

        return is_latest


def _time_of(body: dict[str, Any]) -> float:
    """When something was pressed, in seconds since 1970; 0 where Slack doesn't say."""
    actions = body.get("actions")
    first = actions[0] if isinstance(actions, list) and actions else {}
    try:
        return float(first.get("action_ts", ""))
    except ValueError:
        return 0.0
